#include "daemon/config.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "daemon/config_parts.h"
#include "daemon/folders.h"
#include "daemon/jobs/scoring_options.h"
#include "drivers/link/modbus_line.h"
#include "drivers/register_maps.h"
#include "schema/document.h"

namespace cambench {}

namespace cambench::config {
namespace {

namespace fs = std::filesystem;
using document::Fields;
using document::Mistakes;

constexpr std::string_view id_words = "1 to 40 of a-z, A-Z, 0-9, '.', '_' and '-'";

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 40 && text.find_first_not_of('.') != std::string_view::npos &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

std::string unknown_id(std::string_view what, std::string_view id, const std::vector<std::string>& known) {
  if (known.empty()) return fmt::format("there is no {} \"{}\": none is configured", what, id);
  const std::string meant = document::nearest(id, known);
  if (!meant.empty()) return fmt::format("there is no {} \"{}\"; did you mean \"{}\"?", what, id, meant);
  return fmt::format("there is no {} \"{}\"; there are {}", what, id, fmt::join(known, ", "));
}

template <typename T>
const T* find(const std::vector<T>& list, std::string_view id, std::string T::*key) {
  const auto found = std::ranges::find(list, id, key);
  return found == list.end() ? nullptr : &*found;
}

template <typename T>
std::vector<std::string> ids(const std::vector<T>& list, std::string T::*key = &T::id) {
  std::vector<std::string> ids;
  for (const T& one : list) ids.push_back(one.*key);
  return ids;
}

/// Reads the whole file; the Fields of what is cross-checked later are kept, for their lines.
class Reader {
 public:
  Reader(std::string_view text, const fs::path& file, std::string_view edited)
      : mistakes_(file.string()), edit_mistakes_("entries.json") {
    bench_.file = file;
    bench_.text = text;
    bench_.entries_text = edited;
    auto edits = document::parse_json(edited.empty() ? "{}" : edited, edit_mistakes_.file());
    if (!edits) throw Refused({edits.error().what});
    edits_ = std::move(*edits);
    auto parsed = document::parse_toml(text, file.string());
    if (!parsed) throw Refused({parsed.error().what});
    document_ = std::move(*parsed);
  }

  Bench read() {
    read_all();
    if (!mistakes_.empty()) throw Refused(mistakes_.sentences());
    if (!edit_mistakes_.empty()) throw Refused(edit_mistakes_.sentences());
    return std::move(bench_);
  }

  Bench read_whatever_is_good() {
    read_all();
    return std::move(bench_);
  }

 private:
  void read_all() {
    Fields top(document_, "", mistakes_);
    read_bench(top);
    read_store(top);
    read_http(top);
    read_log(top);
    read_drop(top);
    if (auto fields = top.table("scoring")) {
      jobs::ScoringOptions scoring;
      jobs::read_scoring(*fields, bench_.file.parent_path(), scoring);
      bench_.scoring = std::make_shared<const jobs::ScoringOptions>(std::move(scoring));
    }
    if (auto fields = top.table("recipes")) {
      if (fields->require("path", "the folder of the lab's own recipes"))
        bench_.recipes = path(*fields, "path");
      fields->finish();
    }
    read_interlocks(top, bench_);
    read_alarms(top, bench_);
    for (Fields& fields : top.tables("station")) read_station(fields);
    Fields edits(edits_, "", edit_mistakes_);
    for (auto* from : {&top, &edits})
      for (Fields& fields : from->tables("material")) read_material(fields);
    for (auto* from : {&top, &edits})
      for (Fields& fields : from->tables("cell")) read_cell(fields);
    for (auto* from : {&top, &edits})
      for (Fields& fields : from->tables("study")) read_study(fields);
    edits.finish();
    if (bench_.stations.empty() && !top.has("station"))
      top.wrong("no [[station]]: expected at least one, with its instruments");
    top.finish();
    check_time_scale(top);
    check_places(top);
  }

  // --- pieces -----------------------------------------------------------------------------------------------

  /// A path as written, relative to the folder of the configuration.
  std::optional<fs::path> path(Fields& fields, std::string_view key) {
    const auto text = fields.text(key);
    if (!text) return std::nullopt;
    if (text->empty()) {
      fields.wrong(key, "expected a path, found nothing");
      return std::nullopt;
    }
    return (bench_.file.parent_path() / *text).lexically_normal();
  }

  /// The id or name of an entry; a second entry of the same kind with it is a mistake.
  std::string id(Fields& fields, std::string_view key, const std::vector<std::string>& taken) {
    fields.require(key, id_words);
    const auto text = fields.text(key);
    if (!text) return {};
    if (!is_id(*text))
      fields.wrong(key, fmt::format("expected {}, found \"{}\"", id_words, *text));
    else if (std::ranges::find(taken, *text) != taken.end())
      fields.wrong(key, fmt::format("\"{}\" is given twice", *text));
    return *text;
  }

  Port port(Fields& fields) {
    fields.require("port", "a serial device such as \"/dev/serial/by-id/...\" or \"tcp://127.0.0.1:49152\"");
    Port port;
    port.text = fields.text("port").value_or("");
    if (port.text.starts_with("tcp://")) {
      const auto split = host_and_port(std::string_view(port.text).substr(6));
      if (!split || split->second == 0)
        fields.wrong("port", fmt::format("expected tcp://host:port, found \"{}\"", port.text));
      else
        std::tie(port.host, port.tcp) = *split;
    } else if (port.text.starts_with("/")) {
      port.device = port.text;
    } else if (fields.has("port")) {
      fields.wrong(
          "port",
          fmt::format("expected the path of a serial device or tcp://host:port, found \"{}\"", port.text));
    }
    return port;
  }

  static std::optional<std::pair<std::string, std::uint16_t>> host_and_port(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    std::string_view host = text.substr(0, colon), digits = text.substr(colon + 1);
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    return std::pair(std::string(host), number);
  }

  /// Two names of one device are one place.
  static std::string place_of(const Port& port) {
    if (port.device.empty()) return fmt::format("tcp://{}:{}", port.host, port.tcp);
    std::error_code ignored;
    const fs::path real = fs::weakly_canonical(port.device, ignored);
    return ignored ? port.device : real.string();
  }

  /// Notes what is at a place, and complains when something else is there already.
  void occupy(Fields& fields, std::string_view key, const std::string& place, const std::string& who) {
    const auto [at, fresh] = occupied_.try_emplace(place, who);
    if (!fresh) fields.wrong(key, fmt::format("{} has this one already: {}", at->second, place));
  }

  // --- tables -----------------------------------------------------------------------------------------------

  void read_bench(Fields& top) {
    auto fields = top.table("bench");
    if (!fields) return;
    bench_.name = fields->text("name").value_or(bench_.name);
    bench_.time_scale = fields->number("time_scale", {1, 1e6}).value_or(1);
    const double mains_Hz = fields->number("mains_Hz", {50, 60}, "Hz").value_or(50);
    if (mains_Hz != 50 && mains_Hz != 60)
      fields->wrong("mains_Hz", fmt::format("the mains have 50 or 60 Hz, found {:g}", mains_Hz));
    bench_.mains_Hz = static_cast<int>(mains_Hz);
    using After = Bench::AfterCrash;
    bench_.after_crash = fields
                             ->choice<After>("after_crash", {{"make_safe", After::make_safe},
                                                             {"leave_running", After::leave_running}})
                             .value_or(After::make_safe);
    fields->finish();
  }

  void read_store(Fields& top) {
    top.require("store", "[store] with the path of the database");
    auto fields = top.table("store");
    if (!fields) return;
    fields->require("path", "the path of the database, such as \"state/cambench.sqlite\"");
    if (const auto store = path(*fields, "path")) {
      bench_.store = *store;
      std::error_code ignored;
      if (fs::is_directory(*store, ignored) || !store->has_filename())
        fields->wrong("path", fmt::format("{} is a folder: expected the path of a file", store->string()));
    }
    fields->finish();
  }

  void read_http(Fields& top) {
    bench_.http.control = bench_.store.parent_path() / "control.sock";
    bench_.http.tokens = bench_.store.parent_path() / "tokens";
    if (auto fields = top.table("http")) {
      if (const auto listen = fields->text("listen")) read_listen(*fields, *listen);
      bench_.http.control = path(*fields, "control").value_or(bench_.http.control);
      bench_.http.tokens = path(*fields, "tokens").value_or(bench_.http.tokens);
      bench_.http.hosts = fields->texts("hosts");
      if (bench_.http.control.string().size() >= sizeof(sockaddr_un::sun_path))
        fields->wrong("control",
                      fmt::format("a unix socket has a path of at most {} bytes, and this one has {}: {}",
                                  sizeof(sockaddr_un::sun_path) - 1, bench_.http.control.string().size(),
                                  bench_.http.control.string()));
      fields->finish();
    }
  }

  void read_listen(Fields& fields, const std::string& listen) {
    const auto split = host_and_port(listen);
    if (!split)
      return fields.wrong("listen",
                          fmt::format("expected address:port such as 127.0.0.1:8870, found \"{}\"", listen));
    std::tie(bench_.http.host, bench_.http.port) = *split;
    if (bench_.http.host == "localhost") bench_.http.host = "127.0.0.1";
    in_addr four{};
    in6_addr six{};
    if (::inet_pton(AF_INET, bench_.http.host.c_str(), &four) != 1 &&
        ::inet_pton(AF_INET6, bench_.http.host.c_str(), &six) != 1)
      fields.wrong("listen",
                   fmt::format("expected an address such as 127.0.0.1, found \"{}\"", split->first));
  }

  void read_log(Fields& top) {
    auto fields = top.table("log");
    if (!fields) return;
    std::vector<std::pair<std::string_view, std::string>> levels;
    for (const std::string_view level : {"trace", "debug", "info", "warn", "error"})
      levels.emplace_back(level, level);
    bench_.log.level = fields->choice<std::string>("level", levels).value_or("info");
    bench_.log.file = path(*fields, "file").value_or("");
    fields->finish();
  }

  void read_drop(Fields& top) {
    auto fields = top.table("drop");
    if (!fields) return;
    Drop drop;
    fields->require("path", "the folder in which spectra land");
    drop.path = path(*fields, "path").value_or("");
    drop.results = path(*fields, "results").value_or(bench_.store.parent_path() / "results");
    drop.settle = Seconds(fields->number("settle_s", {0.1, 3600}, "s").value_or(2));
    drop.poll = Seconds(fields->number("poll_s", {0.1, 3600}, "s").value_or(2));
    fields->finish();
    bench_.drop = drop;
  }

  void read_station(Fields& fields) {
    Station station;
    station.name = id(fields, "name", ids(bench_.stations, &Station::name));
    if (auto potentiostat = fields.table("potentiostat"))
      station.potentiostat = read_potentiostat(*potentiostat, station.name);
    if (auto press = fields.table("press"))
      station.press = read_press(*press, "the press of station " + station.name);
    if (auto gauge = fields.table("gauge")) {
      const bool needed = gauge->flag("needed").value_or(false);
      station.gauge = read_press(*gauge, "the gauge of station " + station.name);
      station.gauge->needed = needed;
      if (!station.press) gauge->wrong("a gauge is the second sensor of a press, and this station has none");
    }
    if (fields.has("relay")) station.relay = fields.texts("relay");
    if (!station.relay.empty() && !station.relay.front().starts_with("/"))
      fields.wrong("relay",
                   fmt::format("expected the absolute path of a program and its arguments, found \"{}\"",
                               station.relay.front()));
    if (!fields.has("potentiostat") && !fields.has("press"))
      fields.wrong("no instrument: expected [station.potentiostat], [station.press] or both");
    fields.finish();
    bench_.stations.push_back(std::move(station));
  }

  Potentiostat read_potentiostat(Fields& fields, const std::string& station) {
    Potentiostat potentiostat;
    fields.require("driver", "\"methodscript\" or \"keithley\"");
    potentiostat.driver =
        fields.choice<std::string>("driver", {{"methodscript", "methodscript"}, {"keithley", "keithley"}})
            .value_or("");
    if (potentiostat.driver == "keithley") read_source_measure_unit(fields, potentiostat);
    potentiostat.port = port(fields);
    if (potentiostat.driver == "methodscript") read_baud(fields, potentiostat);
    fields.require("serial", "the serial number that the instrument must answer with");
    potentiostat.serial = fields.text("serial").value_or("");
    potentiostat.simulated = fields.flag("simulated").value_or(false);
    if (fields.flag("record").value_or(false))
      potentiostat.record = bench_.store.parent_path() / "wire" / (station + ".log");
    const std::string who = "the potentiostat of station " + station;
    if (!potentiostat.port.text.empty()) occupy(fields, "port", place_of(potentiostat.port), who);
    if (!potentiostat.serial.empty()) occupy(fields, "serial", "serial number " + potentiostat.serial, who);
    if (fields.has("serial") && potentiostat.serial.empty())
      fields.wrong("serial",
                   "expected the serial number that the instrument must answer with, found nothing");
    fields.finish();
    return potentiostat;
  }

  static void read_baud(Fields& fields, Potentiostat& potentiostat) {
    if (potentiostat.port.device.empty() && fields.has("baud"))
      fields.wrong("baud", "belongs to a serial port, and this one is " + potentiostat.port.text);
    potentiostat.baud = static_cast<int>(fields.whole("baud", 230400, 921600).value_or(potentiostat.baud));
    if (potentiostat.baud != 230400 && potentiostat.baud != 921600)
      fields.wrong("baud", fmt::format("expected 230400 or 921600, found {}", potentiostat.baud));
  }

  static void read_source_measure_unit(Fields& fields, Potentiostat& unit) {
    unit.polarity = static_cast<int>(fields.whole("polarity", -1, 1).value_or(1));
    if (unit.polarity == 0)
      fields.wrong("polarity", "expected 1, or -1 when WE is on the low leads, found 0");
    unit.sense =
        fields.choice<std::string>("sense", {{"cell", "cell"}, {"we_vs_re", "we_vs_re"}}).value_or("");
    unit.method = fields
                      .choice<std::string>("method", {{"voltage_source", "voltage_source"},
                                                      {"current_source", "current_source"}})
                      .value_or("voltage_source");
  }

  Press read_press(Fields& fields, const std::string& who) {
    Press press;
    fields.require("driver", "\"modbus\"");
    press.driver = fields.choice<std::string>("driver", {{"modbus", "modbus"}}).value_or("");
    press.port = port(fields);
    press.unit = static_cast<int>(fields.whole("unit", 1, 247).value_or(1));
    read_map(fields, press);
    press.area_mm2 = fields.number("area_mm2", {0.1, 100'000}, "mm2");
    press.serial = fields.text("serial").value_or("");
    if (!press.serial.empty()) occupy(fields, "serial", "serial number " + press.serial, who);
    press.simulated = fields.flag("simulated").value_or(false);
    if (press.port.device.empty() && (fields.has("baud") || fields.has("parity") || fields.has("stop_bits")))
      fields.wrong("baud, parity and stop_bits belong to a serial port, and this one is " + press.port.text);
    press.baud = static_cast<int>(fields.whole("baud", 1200, 921600).value_or(press.baud));
    press.parity =
        fields.choice<char>("parity", {{"none", 'N'}, {"even", 'E'}, {"odd", 'O'}}).value_or(press.parity);
    press.stop_bits = static_cast<int>(fields.whole("stop_bits", 1, 2).value_or(press.stop_bits));
    check_line(fields, press);
    // A bus may carry several presses, each with its own unit.
    if (!press.port.text.empty()) {
      const std::string place = place_of(press.port);
      occupy(fields, "unit", fmt::format("{} unit {}", place, press.unit), who);
      if (const auto other = occupied_.find(place); other != occupied_.end())
        fields.wrong("port", fmt::format("{} has this one already: {}", other->second, place));
    }
    fields.finish();
    return press;
  }

  // What the line itself will ask of these settings: else the start would refuse what was called good here.
  static void check_line(Fields& fields, const Press& press) {
    if (press.port.host.empty() && press.port.device.empty()) return;  // said already
    const auto line = link::bus_settings(press.port.text, press.baud, press.parity, press.stop_bits);
    if (!line) fields.wrong(press.port.device.empty() ? "port" : "baud", line.error().what);
  }

  // The whole map is read here: what a press could be told wrongly is known before anything starts.
  void read_map(Fields& fields, Press& press) {
    if (!fields.require("map", "the name of a built-in register map, or the path of one")) return;
    press.map = fields.text("map").value_or("");
    if (press.map.find('/') != std::string::npos || press.map.ends_with(".toml"))
      press.map = path(fields, "map")->string();
    auto known = maps_.find(press.map);
    if (known == maps_.end()) known = maps_.emplace(press.map, find_register_map(press.map)).first;
    const auto& map = known->second;
    if (!map) return fields.wrong("map", map.error().what);
    if (!press.port.text.empty() && !(press.port.device.empty() ? map->tcp : map->rtu))
      fields.wrong("map", fmt::format("{} does not speak Modbus {}", map->name,
                                      press.port.device.empty() ? "TCP" : "RTU"));
  }

  void read_material(Fields& fields) {
    Material material;
    material.id = id(fields, "id", ids(bench_.materials));
    material.name = fields.text("name").value_or(material.id);
    material.coating = fields.text("coating").value_or("none");
    material.amount_wt_percent = fields.number("amount_wt_percent", {0, 100}, "wt%").value_or(0);
    material.reference = fields.flag("reference").value_or(false);
    if (material.reference && material.amount_wt_percent > 0)
      fields.wrong("reference", "the reference is the uncoated material, and this one has a coating");
    fields.finish();
    bench_.materials.push_back(std::move(material));
  }

  void read_cell(Fields& fields) {
    CellSpec cell;
    cell.id = id(fields, "id", ids(bench_.cells));
    fields.require("material", "the id of a [[material]]");
    cell.material = fields.text("material").value_or("");
    if (!cell.material.empty() && !bench_.material(cell.material))
      fields.wrong("material", unknown_id("material", cell.material, ids(bench_.materials)));
    fields.require("electrodes", "2, or 3 with a reference electrode");
    cell.electrodes = static_cast<int>(fields.whole("electrodes", 2, 3).value_or(2));
    fields.require("composite_mg", "the mass of the cathode composite in mg");
    cell.composite = Gram(fields.number("composite_mg", {0, 1000, true}, "mg").value_or(0) * 1e-3);
    fields.require("cam_fraction", "the share of active material in the composite, such as 0.67");
    cell.cam_fraction = fields.number("cam_fraction", {0, 1, true}).value_or(0);
    fields.require("area_cm2", "the area of the pellet in cm2");
    cell.area_cm2 = fields.number("area_cm2", {0, 100, true}, "cm2").value_or(0);
    cell.q_1C_mAh_g = fields.number("q_1C_mAh_g", {10, 1000}, "mAh/g").value_or(cell.q_1C_mAh_g);
    read_reference(fields, cell);
    fields.finish();
    bench_.cells.push_back(std::move(cell));
  }

  static void read_reference(Fields& fields, CellSpec& cell) {
    const auto vs_li = fields.number("reference_vs_li_V", {-1, 5}, "V");
    const auto note = fields.text("reference_note");
    if (!vs_li && !note) return;
    if (cell.electrodes == 2)
      fields.wrong("reference_vs_li_V", "a cell with two electrodes has no reference electrode");
    else if (!vs_li)
      fields.require("reference_vs_li_V", "the potential of the reference electrode against Li+/Li");
    else if (fields.require("reference_note",
                            "what the electrode is and how its potential is known, such as "
                            "\"lithiated gold, assumed\""))
      cell.reference = ReferenceElectrode{Volt(*vs_li), note.value_or("")};
  }

  void read_study(Fields& fields) {
    Study study;
    study.id = id(fields, "id", ids(bench_.studies));
    study.title = fields.text("title").value_or(study.id);
    fields.require("materials", "the ids of its materials");
    study.materials = fields.texts("materials");
    study.cells = fields.texts("cells");
    check_materials_of(fields, study);
    check_cells_of(fields, study);
    fields.finish();
    bench_.studies.push_back(std::move(study));
  }

  void check_materials_of(Fields& fields, const Study& study) {
    std::vector<std::string> references, seen;
    for (const std::string& id : study.materials) {
      if (std::ranges::find(seen, id) != seen.end())
        fields.wrong("materials", fmt::format("\"{}\" is given twice", id));
      seen.push_back(id);
      const Material* material = bench_.material(id);
      if (!material)
        fields.wrong("materials", unknown_id("material", id, ids(bench_.materials)));
      else if (material->reference)
        references.push_back(id);
    }
    if (fields.has("materials") && references.size() != 1)
      fields.wrong(
          "materials",
          fmt::format(
              "exactly one material of a study is its uncoated reference (reference = true), "
              "here {}",
              references.empty() ? "none is" : fmt::format("are {}", fmt::join(references, " and "))));
  }

  void check_cells_of(Fields& fields, const Study& study) {
    std::vector<std::string> seen;
    for (const std::string& id : study.cells) {
      if (std::ranges::find(seen, id) != seen.end())
        fields.wrong("cells", fmt::format("\"{}\" is given twice", id));
      seen.push_back(id);
      const CellSpec* cell = bench_.cell(id);
      if (!cell)
        fields.wrong("cells", unknown_id("cell", id, ids(bench_.cells)));
      else if (std::ranges::find(study.materials, cell->material) == study.materials.end())
        fields.wrong("cells", fmt::format("the cell \"{}\" is of {}, which is no material of this study", id,
                                          cell->material));
    }
  }

  // --- what concerns several tables -------------------------------------------------------------------------

  void check_time_scale(Fields& top) {
    if (bench_.time_scale == 1) return;
    for (const Station& station : bench_.stations) {
      const bool real = (station.potentiostat && !station.potentiostat->simulated) ||
                        (station.press && !station.press->simulated) ||
                        (station.gauge && !station.gauge->simulated);
      if (real)
        top.table("bench")->wrong("time_scale",
                                  fmt::format("{:g} makes experiment time run faster, and station {} has a "
                                              "real instrument: only simulated ones can follow",
                                              bench_.time_scale, station.name));
    }
  }

  void check_places(Fields& top) {
    if (!bench_.drop || bench_.drop->path.empty()) return;
    Fields drop = *top.table("drop");
    const fs::path folder =
        bench_.drop->path.has_filename() ? bench_.drop->path : bench_.drop->path.parent_path();
    if (folder == folder.root_path()) return drop.wrong("path", "the whole file system is no drop folder");
    if (!bench_.store.empty() && lies_in(bench_.store, folder))
      drop.wrong("path", fmt::format("the database {} would lie in the folder that others write into",
                                     bench_.store.string()));
    if (lies_in(bench_.drop->results, folder))
      drop.wrong("path",
                 fmt::format("the results {} would land in the watched folder and be taken for a study",
                             bench_.drop->results.string()));
  }

  Bench bench_;
  Mistakes mistakes_, edit_mistakes_;
  document::Value document_, edits_;
  std::map<std::string, Result<wire::modbus::RegisterMap>> maps_;  ///< that stations have named
  std::map<std::string, std::string> occupied_;                    ///< place -> who has it
};

std::optional<std::string> contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// The path of [store] in a text that may be no TOML any more; empty when it does not say.
std::string store_in(const std::string& text) {
  std::istringstream lines(text);
  bool in_store = false;
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(" \t"));
    if (line.starts_with('[')) in_store = line.starts_with("[store]");
    const auto open = line.find_first_of("\"'");
    if (!in_store || !line.starts_with("path") || open == std::string::npos) continue;
    return line.substr(open + 1, line.find(line[open], open + 1) - open - 1);
  }
  return {};
}

}  // namespace

const Station* Bench::station(std::string_view station_name) const {
  return find(stations, station_name, &Station::name);
}
const Material* Bench::material(std::string_view id) const { return find(materials, id, &Material::id); }
const CellSpec* Bench::cell(std::string_view id) const { return find(cells, id, &CellSpec::id); }
const Study* Bench::study(std::string_view id) const { return find(studies, id, &Study::id); }

Refused::Refused(std::vector<std::string> mistakes)
    : std::runtime_error(fmt::format("{}", fmt::join(mistakes, "\n"))), sentences(std::move(mistakes)) {}

Bench parse(std::string_view text, const fs::path& file, std::string_view edited) {
  return Reader(text, file, edited).read();
}

fs::path entries_file(const Bench& bench) { return bench.store.parent_path() / "entries.json"; }

Bench read(const fs::path& file) {
  std::error_code ignored;
  if (fs::is_directory(file, ignored))
    throw Refused({fmt::format("{}: this is a folder: expected a configuration file", file.string())});
  const auto text = contents(file);
  if (!text) throw Refused({fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno))});
  Bench bench = parse(*text, file);
  const auto edited = contents(entries_file(bench));
  return edited ? parse(*text, file, *edited) : bench;
}

fs::path accepted_file(const Bench& bench) { return bench.store.parent_path() / "accepted.toml"; }

std::optional<Bench> read_accepted(const fs::path& file) {
  std::vector<fs::path> folders;
  if (const auto store = store_in(contents(file).value_or("")); !store.empty())
    folders.push_back((file.parent_path() / store).parent_path());
  if (const char* systemds = std::getenv("STATE_DIRECTORY")) folders.emplace_back(systemds);
  for (const auto& folder : folders)
    if (const auto text = contents(folder / "accepted.toml")) try {
        return Reader(*text, file, {}).read_whatever_is_good();
      } catch (const Refused&) {  // half a file, or somebody's own: as if there were none
      }
  return std::nullopt;
}

Result<Recipe> find_recipe(const Bench& bench, std::string_view name) {
  if (bench.recipes && is_id(name)) {
    for (const std::string_view ending : {".toml", ".json"}) {
      const fs::path file = *bench.recipes / (std::string(name) + std::string(ending));
      if (const auto text = contents(file)) return read_recipe(*text, file.string());
    }
  }
  if (!builtin_recipe_text(name).empty()) return builtin_recipe(name);
  return fail(Fault::Kind::input, unknown_id("recipe", name, recipe_names(bench)));
}

std::vector<std::string> recipe_names(const Bench& bench) {
  std::vector<std::string> names = builtin_recipes();
  std::error_code ignored;
  if (bench.recipes)
    for (const auto& entry : fs::directory_iterator(*bench.recipes, ignored)) {
      const fs::path& file = entry.path();
      const bool recipe = file.extension() == ".toml" || file.extension() == ".json";
      if (recipe && std::ranges::find(names, file.stem().string()) == names.end())
        names.push_back(file.stem().string());
    }
  std::ranges::sort(names);
  return names;
}

}  // namespace cambench::config
