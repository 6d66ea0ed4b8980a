#include "analysis/mass_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"

namespace cambench::sims {
namespace {

constexpr double per_million = 1e6;

// ---- the peak list

char separator_of(std::string_view title) {
  for (const char c : {'\t', ';'})
    if (title.find(c) != std::string_view::npos) return c;
  return ',';
}

std::optional<std::size_t> column_of(const std::vector<std::string_view>& titles,
                                     std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    for (std::size_t i = 0; i < titles.size(); ++i)
      if (text::trimmed(titles[i]) == name) return i;
  return std::nullopt;
}

std::optional<double> field(const std::vector<std::string_view>& fields, std::size_t column) {
  const auto value = column < fields.size() ? text::number(text::trimmed(fields[column])) : std::nullopt;
  return value && std::isfinite(*value) ? value : std::nullopt;
}

// ---- formulas within a window

struct Atom {
  Formula::Nuclide nuclide;
  double mass_u = 0;
  int most = 0;
  bool rare = false;
};

// What one more atom adds to an ion.
std::vector<Atom> atoms_of(const AssignOptions& options) {
  std::vector<Atom> atoms;
  for (const ElementLimit& limit : options.elements) {
    const Formula::Nuclide nuclide{limit.element, limit.isotope};
    const auto one = ion_mass({.atoms = {{nuclide, 1}}, .charge = options.charge});
    const auto two = ion_mass({.atoms = {{nuclide, 2}}, .charge = options.charge});
    if (!one || !two)
      throw BadInput("elements of the assignment", 0, fmt::format("no mass is known for {}", limit.element),
                     "leave it out");
    atoms.push_back({nuclide, *two - *one, limit.most, limit.isotope != 0});
  }
  std::ranges::stable_sort(atoms, std::ranges::greater{}, &Atom::mass_u);
  return atoms;
}

// As chemists write them: metals, then P and S, then what takes the charge.
std::string spelled(const Formula& formula, const FragmentTable& table) {
  constexpr std::string_view order = " Li Na Mn Co Ni Zr Nb C H N P S O F Cl ";
  std::vector<std::pair<Formula::Nuclide, int>> atoms(formula.atoms.begin(), formula.atoms.end());
  std::ranges::stable_sort(atoms, {},
                           [&](const auto& atom) { return order.find(" " + atom.first.element + " "); });
  std::string label;
  for (const auto& [nuclide, n] : atoms) {
    if (nuclide.isotope != 0) label += fmt::format("^{}", nuclide.isotope);
    label += nuclide.element;
    if (n > 1) label += std::to_string(n);
  }
  label += formula.charge < 0 ? '-' : '+';
  return table.describe(label).label;
}

// Heavy atoms first, each in every number that the rest of the mass allows.
class Search {
 public:
  Search(double mz, const FragmentTable& table, const AssignOptions& options)
      : table_(table),
        options_(options),
        atoms_(atoms_of(options)),
        mz_(mz),
        slack_(mz * options.ppm / per_million) {
    formula_.charge = options.charge;
    Formula electrons{.atoms = {}, .charge = options.charge};
    descend(0, mz - ion_mass(electrons).value_or(0), 0, false);
  }

  std::vector<Candidate> found;

 private:
  void descend(std::size_t at, double left, int elements, bool rare) {
    if (std::abs(left) <= slack_ && elements > 0)
      return keep();  // no atom is lighter than the window is wide
    if (at == atoms_.size() || left < 0) return;
    descend(at + 1, left, elements, rare);
    const Atom& atom = atoms_[at];
    const bool is_new = !contains(atom.nuclide.element);
    if ((is_new && elements == options_.most_elements) || (atom.rare && rare)) return;
    const int fits = std::min(atom.most, static_cast<int>((left + slack_) / atom.mass_u));
    for (int n = 1; n <= fits; ++n) {
      formula_.atoms[atom.nuclide] = n;
      descend(at + 1, left - n * atom.mass_u, elements + is_new, rare || atom.rare);
    }
    formula_.atoms.erase(atom.nuclide);
  }

  [[nodiscard]] bool contains(const std::string& element) const { return formula_.count(element) > 0; }

  void keep() {
    const double mass = ion_mass(formula_).value_or(0);
    const std::string label = spelled(formula_, table_);
    const bool listed =
        std::ranges::find(table_.fragments(), label, &Fragment::label) != table_.fragments().end();
    found.push_back({label, mass, (mz_ - mass) / mass * per_million, listed});
  }

  const FragmentTable& table_;
  const AssignOptions& options_;
  std::vector<Atom> atoms_;
  double mz_, slack_;
  Formula formula_;
};

// ---- intervals

std::vector<IonPeak> by_mass(std::span<const IonPeak> peaks) {
  std::vector<IonPeak> sorted(peaks.begin(), peaks.end());
  std::ranges::stable_sort(sorted, {}, &IonPeak::mz);
  return sorted;
}

double needed_resolution(const IonPeak& a, const IonPeak& b) {
  const double apart = std::abs(b.mz - a.mz);
  return apart > 0 ? std::min(a.mz, b.mz) / apart : INFINITY;
}

// Ions that the analyser shows as one peak.
struct Group {
  std::vector<IonPeak> ions;
  [[nodiscard]] double first() const { return ions.front().mz; }
  [[nodiscard]] double last() const { return ions.back().mz; }
};

std::vector<Group> groups_of(std::span<const IonPeak> peaks, double resolution) {
  std::vector<Group> groups;
  for (const IonPeak& peak : by_mass(peaks)) {
    if (groups.empty() || needed_resolution(groups.back().ions.back(), peak) <= resolution)
      groups.emplace_back();
    groups.back().ions.push_back(peak);
  }
  return groups;
}

std::string name_of(const Group& group, double minor) {
  double sum = 0;
  bool all_known = true;
  for (const IonPeak& ion : group.ions) {
    sum += ion.intensity;
    all_known = all_known && ion.intensity > 0;
  }
  std::string name;
  for (const IonPeak& ion : group.ions)
    if (!all_known || ion.intensity >= minor * sum) name += (name.empty() ? "" : "/") + ion.label;
  return name;
}

}  // namespace

std::vector<ListedPeak> parse_peak_list(std::string_view text, std::string_view name) {
  text::Lines lines(text);
  auto title = lines.next();
  while (title && (text::trimmed(*title).empty() || text::trimmed(*title).starts_with('#')))
    title = lines.next();
  if (!title) throw BadInput(name, 0, "the file is empty", "export the list of peaks again");
  const char separator = separator_of(*title);
  const auto titles = text::split(*title, separator);
  const auto mass = column_of(titles, {"m/z", "mz", "Mass", "Center Mass (u)"});
  const auto intensity = column_of(titles, {"Intensity", "intensity", "Area"});
  if (!mass)
    throw BadInput(name, lines.number(), text::quoted(*title) + " has no column of masses", "name it m/z");

  std::vector<ListedPeak> peaks;
  while (const auto line = lines.next()) {
    if (text::trimmed(*line).empty() || text::trimmed(*line).starts_with('#')) continue;
    const auto fields = text::split(*line, separator);
    const auto mz = field(fields, *mass);
    if (!mz && separator == '\t' && *mass < fields.size() && text::trimmed(fields[*mass]).empty())
      continue;  // SurfaceLab's row of the total has no mass
    const auto height = intensity ? field(fields, *intensity) : std::optional(0.0);
    if (!mz || !(*mz > 0) || !height || *height < 0)
      throw BadInput(name, lines.number(), text::quoted(*line) + " is no peak",
                     "write a mass above 0 and an intensity that is not negative");
    peaks.push_back({*mz, *height});
  }
  if (peaks.empty()) throw BadInput(name, 0, "no peak is listed", "export the list of peaks again");
  std::ranges::stable_sort(peaks, {}, &ListedPeak::mz);
  return peaks;
}

std::vector<Candidate> candidates(double mz, const FragmentTable& table, const AssignOptions& options) {
  auto found = Search(mz, table, options).found;
  std::ranges::stable_sort(found, [](const Candidate& a, const Candidate& b) {
    if (a.listed != b.listed) return a.listed;
    return std::abs(a.ppm) < std::abs(b.ppm);
  });
  return found;
}

const Candidate* Assignment::ion() const {
  if (candidates.size() == 1) return &candidates.front();
  const auto listed = std::ranges::count_if(candidates, &Candidate::listed);
  return listed == 1 ? &candidates.front() : nullptr;
}

std::vector<Assignment> assign(std::span<const ListedPeak> peaks, const FragmentTable& table,
                               const AssignOptions& options) {
  std::vector<Assignment> all;
  for (const ListedPeak& peak : peaks) all.push_back({peak, candidates(peak.mz, table, options)});
  return all;
}

std::vector<IonPeak> ions(std::span<const Assignment> assignments) {
  std::vector<IonPeak> peaks;
  for (const Assignment& assignment : assignments)
    if (const Candidate* ion = assignment.ion())
      peaks.push_back({ion->label, ion->mz, assignment.peak.intensity});
  return peaks;
}

std::vector<Overlap> overlaps(std::span<const IonPeak> peaks, double resolution) {
  const auto sorted = by_mass(peaks);
  std::vector<Overlap> pairs;
  for (std::size_t i = 0; i < sorted.size(); ++i)
    for (std::size_t j = i + 1; j < sorted.size(); ++j) {
      const double needed = needed_resolution(sorted[i], sorted[j]);
      if (needed <= resolution) break;
      pairs.push_back({sorted[i], sorted[j], needed});
    }
  return pairs;
}

std::vector<MassInterval> intervals_for(std::span<const IonPeak> peaks, const IntervalOptions& options) {
  const auto groups = groups_of(peaks, options.resolution);
  const auto reach = [&](double mz) { return options.widths * mz / options.resolution; };
  std::vector<MassInterval> intervals;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    MassInterval interval{name_of(groups[i], options.minor), groups[i].first() - reach(groups[i].first()),
                          groups[i].last() + reach(groups[i].last())};
    if (i > 0) interval.lower = std::max(interval.lower, (groups[i - 1].last() + groups[i].first()) / 2);
    if (i + 1 < groups.size())
      interval.upper = std::min(interval.upper, (groups[i].last() + groups[i + 1].first()) / 2);
    intervals.push_back(std::move(interval));
  }
  return intervals;
}

std::string interval_list_text(std::span<const MassInterval> intervals) {
  std::string text = "Center Mass (u)\tLower Mass (u)\tUpper Mass (u)\tAssignment\r\n";
  for (const MassInterval& interval : intervals)
    text += fmt::format("{:.6f}\t{:.6f}\t{:.6f}\t{}\r\n", (interval.lower + interval.upper) / 2,
                        interval.lower, interval.upper, interval.label);
  return text;
}

}  // namespace cambench::sims
