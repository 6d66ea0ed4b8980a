#include "daemon/export/crate.h"

#include <fmt/format.h>

#include <deque>
#include <memory>

#include "daemon/export/csv.h"
#include "daemon/export/documents.h"
#include "daemon/export/zip.h"
#include "daemon/records.h"
#include "schema/document.h"
#include "schema/json.h"
#include "schema/sha256.h"

namespace cambench::exports {

namespace {

constexpr auto bdf_standard = "https://w3id.org/battery-data-alliance/ontology/battery-data-format";

struct Part {
  std::string file, title, media_type;
  Pieces pieces;
  std::string conforms_to;
};

struct Written {
  std::string file, title, media_type, conforms_to, sha256;
  std::uint64_t bytes = 0;
};

Pieces once(std::string text) {
  return [text = std::move(text)]() mutable { return std::exchange(text, {}); };
}

// --- the parts ----------------------------------------------------------------------------------------------

/// The newest scores of every study that the run, or its material, went into.
std::deque<Part> score_parts(store::Reader& reader, const RunFacts& facts) {
  std::deque<Part> parts;
  for (const auto& score : reader.newest_scores()) {
    const bool names_run = score.row.result_json.find('"' + facts.run.id + '"') != std::string::npos;
    const bool names_material = facts.run.material && score.row.result_json.find('"' + *facts.run.material +
                                                                                 '"') != std::string::npos;
    if (!names_run && !names_material) continue;
    parts.push_back({fmt::format("scores-{}-v{}.json", score.row.study, score.version),
                     fmt::format("Scores of study {}, version {}: {}", score.row.study, score.version,
                                 names_run ? "this run is among their inputs"
                                           : "of this run's material, not from this run"),
                     "application/json", once(score.row.result_json), ""});
  }
  return parts;
}

/// A form that the recipe cannot be said in is left out.
void add_protocol(std::deque<Part>& parts, const RunFacts& facts, ProtocolForm form, const char* file,
                  const char* title, const char* media_type) {
  try {
    parts.push_back({file, title, media_type, once(protocol(facts, form)), ""});
  } catch (const std::runtime_error&) {
  }
}

std::deque<Part> parts_of(store::Reader& reader, const RunFacts& facts) {
  std::deque<Part> parts;
  add_protocol(parts, facts, ProtocolForm::own, "recipe.json", "The recipe as it was started",
               "application/json");
  add_protocol(parts, facts, ProtocolForm::unicycler, "recipe.unicycler.json",
               "The recipe for aurora-unicycler, in the terms of this cell", "application/json");
  add_protocol(parts, facts, ProtocolForm::battinfo, "recipe.battinfo.jsonld",
               "The recipe in BattINFO's terms", "application/ld+json");
  add_protocol(parts, facts, ProtocolForm::pybamm, "recipe.pybamm.json", "The recipe as PyBaMM's sentences",
               "application/json");
  parts.push_back({"executed.json", "The executed protocol: steps, deviations, events", "application/json",
                   once(executed_json(reader, facts)), ""});
  if (facts.last_seq > 0) {
    parts.push_back({"data.bdf.csv", "Every sample, in Battery Data Format 1.3", "text/csv",
                     csv(reader, facts, Dialect::bdf), bdf_standard});
    parts.push_back({"data.bdf.metadata.json", "What the data are: cell, test, extra columns",
                     "application/json", once(bdf_metadata_json(reader, facts)), ""});
    parts.push_back({"cellpy.yml", "Instrument file with which cellpy reads data.bdf.csv", "text/yaml",
                     once(cellpy_instrument_file(facts)), ""});
  }
  parts.push_back(
      {"pressure.csv", "Every pressure reading that was kept", "text/csv", pressure_csv(reader, facts), ""});
  for (auto& part : score_parts(reader, facts)) parts.push_back(std::move(part));
  return parts;
}

// --- the metadata -------------------------------------------------------------------------------------------

void refer(JsonWriter& json, std::string_view key, std::string_view id) {
  json.key(key).object().field("@id", id).end_object();
}

void write_files(JsonWriter& json, const std::vector<Written>& files) {
  for (const Written& file : files) {
    json.object().field("@id", file.file).field("@type", "File").field("name", file.title);
    json.field("encodingFormat", file.media_type).field("contentSize", std::to_string(file.bytes));
    json.field("sha256", file.sha256);
    if (!file.conforms_to.empty()) refer(json, "conformsTo", file.conforms_to);
    json.end_object();
  }
}

/// Properties of the cell, each an entity of its own as RO-Crate wants it: name, value, unit.
void write_cell(JsonWriter& json, const CellSpec& cell) {
  struct Property {
    const char *id, *name;
    double value;
    const char* unit;
  };
  std::vector<Property> properties{
      {"#cell-composite", "mass of the cathode composite", records::composite_mg(cell), "mg"},
      {"#cell-cam", "mass of the active material, coating included", cam_mass(cell).value() * 1e3, "mg"},
      {"#cell-area", "area", cell.area_cm2, "cm2"},
      {"#cell-1C", "specific capacity that 1 C stands for", cell.q_1C_mAh_g, "mAh/g"},
      {"#cell-electrodes", "electrodes", static_cast<double>(cell.electrodes), "1"}};
  if (cell.reference)
    properties.push_back(
        {"#cell-reference", "reference electrode against Li+/Li", cell.reference->vs_li.value(), "V"});
  json.object().field("@id", "#cell").field("@type", "IndividualProduct").field("name", cell.id);
  json.field("description",
             "material " + cell.material + (cell.reference ? "; reference: " + cell.reference->note : ""));
  json.key("additionalProperty").array();
  for (const Property& p : properties) json.object().field("@id", p.id).end_object();
  json.end_array().end_object();
  for (const Property& p : properties) {
    json.object().field("@id", p.id).field("@type", "PropertyValue").field("name", p.name);
    json.field("value", p.value).field("unitText", p.unit).end_object();
  }
}

std::string_view action_status(std::string_view phase) {
  if (phase == "finished") return "http://schema.org/CompletedActionStatus";
  if (phase == "aborted" || phase == "tripped") return "http://schema.org/FailedActionStatus";
  return phase == "queued" ? "http://schema.org/PotentialActionStatus"
                           : "http://schema.org/ActiveActionStatus";
}

void write_action(JsonWriter& json, const RunFacts& facts, const std::vector<Written>& files) {
  const auto& run = facts.run;
  json.object().field("@id", "#run").field("@type", "CreateAction");
  json.field("name", fmt::format("{}: {} on station {}", run.id, run.recipe, run.station));
  json.field("startTime", run.started);
  if (run.ended) json.field("endTime", *run.ended);
  json.field("actionStatus", action_status(run.phase));
  refer(json, "agent", "#who");
  json.key("instrument").array();
  for (const char* id : {"#station", "#cambench"}) json.object().field("@id", id).end_object();
  json.end_array().key("object").array();
  if (facts.cell) json.object().field("@id", "#cell").end_object();
  json.object().field("@id", "recipe.json").end_object().end_array();
  json.key("result").array();
  for (const Written& file : files)
    if (!file.file.starts_with("recipe.") && !file.file.starts_with("scores-"))
      json.object().field("@id", file.file).end_object();
  json.end_array().end_object();
}

void write_licence(JsonWriter& json, const std::string& licence) {
  const bool said = !licence.empty();
  json.object()
      .field("@id", licence.starts_with("http") ? licence : "#licence")
      .field("@type", "CreativeWork");
  json.field("name", said ? licence : "no licence was given");
  json.field("description", said ? "what the laboratory allows"
                                 : "Nobody has said what these data may be used for; ask the laboratory.");
  json.end_object();
}

void write_dataset(JsonWriter& json, const RunFacts& facts, const std::vector<Written>& files,
                   const std::string& licence) {
  const auto& run = facts.run;
  json.object().field("@id", "./").field("@type", "Dataset");
  json.field("name",
             fmt::format("Run {}: {}{}", run.id, run.recipe, run.cell ? " on cell " + *run.cell : ""));
  json.field(
      "description",
      fmt::format("One run of a solid-state-battery bench: station {}, started by {}, {}. Recipe {}.{}",
                  run.station, run.who, run.phase, run.recipe_hash,
                  run.time_scale == 1 ? "" : " The instruments were simulated."));
  json.field("identifier", run.id).field("datePublished", run.ended.value_or(run.started));
  refer(json, "license", licence.starts_with("http") ? licence : "#licence");
  refer(json, "author", "#who");
  refer(json, "mentions", "#run");
  json.key("hasPart").array();
  for (const Written& file : files) json.object().field("@id", file.file).end_object();
  json.end_array().end_object();
}

std::string metadata(const RunFacts& facts, const std::vector<Written>& files, const std::string& licence) {
  JsonWriter json;
  json.object().field("@context", "https://w3id.org/ro/crate/1.2/context").key("@graph").array();
  json.object().field("@id", "ro-crate-metadata.json").field("@type", "CreativeWork");
  refer(json, "conformsTo", "https://w3id.org/ro/crate/1.2");
  refer(json, "about", "./");
  json.end_object();
  write_dataset(json, facts, files, licence);
  write_files(json, files);
  write_action(json, facts, files);
  json.object().field("@id", "#who").field("@type", "Person").field("name", facts.run.who).end_object();
  json.object().field("@id", "#station").field("@type", "IndividualProduct");
  json.field("name", "station " + facts.run.station).field("description", "potentiostat and press");
  json.end_object();
  json.object().field("@id", "#cambench").field("@type", "SoftwareApplication").field("name", "cambench");
  json.field("version", facts.run.program).end_object();
  if (facts.cell) write_cell(json, *facts.cell);
  write_licence(json, licence);
  for (const Written& file : files) {
    if (file.conforms_to.empty()) continue;
    json.object().field("@id", file.conforms_to).field("@type", "CreativeWork");
    json.field("name", "Battery Data Format").field("version", "1.3.0").end_object();
  }
  json.end_array().end_object();
  // One member a line, for people.
  const auto tree = document::parse_json(json.text(), "ro-crate-metadata.json");
  return tree ? document::print_json(*tree, 1) : json.take();
}

class CrateWriter {
 public:
  CrateWriter(store::Reader& reader, const RunFacts& facts, std::string licence)
      : facts_(facts), licence_(std::move(licence)), parts_(parts_of(reader, facts)) {}

  std::string next() {
    std::string made;
    while (made.empty() && !done_) {
      step();
      made = zip_.take();
    }
    return made;
  }

 private:
  void step() {
    if (parts_.empty()) return finish();
    Part& part = parts_.front();
    if (!open_) begin(part);
    const std::string piece = part.pieces();
    if (!piece.empty()) {
      hash_.update(piece);
      files_.back().bytes += piece.size();
      return zip_.write(piece);
    }
    zip_.end();
    files_.back().sha256 = hash_.hex();
    open_ = false;
    parts_.pop_front();
  }

  void begin(const Part& part) {
    zip_.begin(part.file, when());
    files_.push_back({part.file, part.title, part.media_type, part.conforms_to, "", 0});
    hash_ = Sha256();
    open_ = true;
  }

  void finish() {
    zip_.begin("ro-crate-metadata.json", when());
    zip_.write(metadata(facts_, files_, licence_));
    zip_.end();
    zip_.finish();
    done_ = true;
  }

  [[nodiscard]] WallTime when() const { return facts_.run.ended.value_or(facts_.run.started); }

  const RunFacts& facts_;
  const std::string licence_;
  std::deque<Part> parts_;
  ZipWriter zip_;
  Sha256 hash_;
  std::vector<Written> files_;
  bool open_ = false, done_ = false;
};

}  // namespace

Pieces crate(store::Reader& reader, const RunFacts& facts, const std::string& licence) {
  return [writer = std::make_shared<CrateWriter>(reader, facts, licence)] { return writer->next(); };
}

}  // namespace cambench::exports
