// The metrics as Prometheus itself takes them, and the dashboard that is shipped for them. Needs Debian's prometheus
// package, and says so where it is not there.
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>

#include "tests/scenario/bench.h"

using namespace cambench;
using namespace cambench::scenario;
namespace json = boost::json;

namespace {

bool there(const char* program) {
  if (fs::exists(std::string("/usr/bin/") + program)) return true;
  MESSAGE("skipped: ", program, " is not installed (apt-get install prometheus)");
  return false;
}

std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += std::isalnum(static_cast<unsigned char>(c))
               ? std::string(1, c)
               : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return out;
}

/// The real one, scraping the daemon four times a second.
class Prometheus {
 public:
  explicit Prometheus(const Bench& bench) : port_(free_port()) {
    const auto file = bench.folder() / "prometheus.yml";
    std::ofstream(file) << "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n"
                           "scrape_configs:\n- job_name: cambench\n  static_configs:\n  - targets: ['"
                        << bench.tcp_place() << "']\n";
    process_.emplace(
        std::vector<std::string>{"/usr/bin/prometheus", "--config.file=" + file.string(),
                                 "--storage.tsdb.path=" + (bench.folder() / "prometheus").string(),
                                 fmt::format("--web.listen-address=127.0.0.1:{}", port_)},
        bench.folder() / "prometheus.log");
  }
  /// The vector that a query gives; empty while it does not answer.
  [[nodiscard]] json::array ask(std::string_view query) const {
    const auto document = get("/api/v1/query?query=" + percent_encoded(query));
    if (!document.is_object()) return {};
    REQUIRE_MESSAGE(document.at("status") == "success", query, json::serialize(document));
    return document.at("data").at("result").as_array();
  }
  [[nodiscard]] json::value get(const std::string& target) const {
    const auto reply = http::get({{}, "127.0.0.1", port_}, target, 2s);
    json::error_code error;
    auto document = reply ? json::parse(reply->body, error) : json::value();
    return error ? json::value() : document;
  }

 private:
  std::uint16_t port_;
  std::optional<Process> process_;
};

std::string with(std::string text, std::string_view what, std::string_view instead) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + instead.size()))
    text.replace(at, what.size(), instead);
  return text;
}

std::string text_at(const json::value& object, const char* key) {
  return std::string(object.at(key).as_string());
}

}  // namespace

TEST_CASE("promtool finds nothing to say about the metrics of a bench that runs") {
  if (!there("promtool")) return;
  Bench bench;
  bench.recipe("short", short_recipe(600, 300));
  bench.start();
  bench.run("short");
  bench.until_step(0);
  const auto metrics = bench.get("/metrics").body, file = (bench.folder() / "metrics").string();
  std::ofstream(file) << metrics;
  const auto command = fmt::format("promtool check metrics <'{}' >'{}.said' 2>&1", file, file);
  CHECK(std::system(command.c_str()) == 0);
  CHECK_MESSAGE(contents(file + ".said").empty(), contents(file + ".said"));
  CHECK(metrics.find("cambench_device_answers_total{station=\"A1\",device=\"press\"}") != metrics.npos);
}

TEST_CASE("a real Prometheus scrapes the bench, and every panel of the dashboard has something to show") {
  if (!there("prometheus")) return;
  Bench bench({.stations = 2, .time_scale = 300, .extra = {}});
  bench.recipe("long", short_recipe(36000, 3000));
  bench.start();
  bench.run("long");
  bench.until_step(0);
  const Prometheus prometheus(bench);
  until("it has scraped three times",
        [&] { return !prometheus.ask("count_over_time(cambench_ready[1m]) > 2").empty(); });
  const auto scraped = prometheus.get("/api/v1/targets");
  for (const auto& target : scraped.at("data").at("activeTargets").as_array()) {
    CHECK(target.at("health") == "up");
    CHECK(target.at("lastError") == "");
  }
  CHECK(text_at(prometheus.ask("cambench_run_info").at(0).at("metric"), "cell") == "R-A1");
  const auto pressure = prometheus.ask("cambench_press_pressure_pascals{station=\"A1\"}").at(0).at("value");
  CHECK(std::abs(std::atof(pressure.at(1).as_string().c_str()) - 50e6) < 2.5e6);

  const auto dashboard = json::parse(contents(CAMBENCH_SOURCE "/systemd/grafana.json"));
  std::set<std::int64_t> ids;
  int queries = 0, documents = 0;
  for (const auto& panel : dashboard.at("panels").as_array()) {
    CHECK(ids.insert(panel.at("id").as_int64()).second);
    for (const auto& target : panel.at("targets").as_array()) {
      const auto* expression = target.as_object().if_contains("expr");
      if (expression != nullptr) {
        const auto query = with(with(text_at(target, "expr"), "$station", ".*"), "$__rate_interval", "1m");
        CHECK_MESSAGE(!prometheus.ask(query).empty(), query);
        ++queries;
        continue;
      }
      const auto url = with(with(with(text_at(target, "url"), "$one", "A1"), "${__from}", "0"), "${__to}",
                            "4102444800000");
      const auto reply = bench.get(url);
      REQUIRE_MESSAGE(reply.status == 200, url);
      const auto rows = json::parse(reply.body);
      REQUIRE_MESSAGE(rows.is_array(), url);  // Infinity takes it without a selector
      ++documents;
      for (const auto& row : rows.as_array())
        for (const auto& column : target.at("columns").as_array()) {
          const auto* cell = row.as_object().if_contains(column.at("selector").as_string());
          CHECK_MESSAGE(cell != nullptr, url, text_at(column, "selector"));
          CHECK_MESSAGE(!(cell->is_object() || cell->is_array()), text_at(column, "selector"));
        }
    }
  }
  CHECK(queries > 15);
  CHECK(documents == 4);
}
