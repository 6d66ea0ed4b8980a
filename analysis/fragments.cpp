// Categories by rule. Hertle et al. give the table of categories in their supplement only; the text names the types
// Li0/1 SOx, Li0/1 POx and Li0/1 PxSy, and finds contrast for Sx from x = 3 on:
//
//   polysulfide   only P and S (each at least one), or only S with three atoms or more; at most one Li
//   SOy, POy      one S (one P) and O, nothing else but at most one Li
//   SE            the solid electrolyte's own: Cl; S, S2, SH; with or without Li
//   CAM           Ni, Co or Mn with O and Li, or alone
//   coating       Nb or Zr with O, Li and H, or alone
//   other         everything else: O-, OH-, F-, carbon, mixed PxSyOz, NiSx, ...
//
// PS- to PS4- also come from intact PS4 units. The literal rule counts them as polysulfide; they enter the score with
// the sign of their own loading. Who wants them out edits the table.
#include "analysis/fragments.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"

namespace cambench {
std::string_view embedded_tables(std::string_view file);
}

namespace cambench::sims {
namespace {

struct Isotope {
  std::string_view element;
  int mass_number;
  double mass_u;
};

// AME2020, in u. The first of an element is its most abundant isotope.
constexpr auto isotopes = std::to_array<Isotope>({
    {"H", 1, 1.00782503190},
    {"H", 2, 2.01410177784},
    {"Li", 7, 7.0160034343},
    {"Li", 6, 6.0151228874},
    {"B", 11, 11.009305167},
    {"B", 10, 10.012936862},
    {"C", 12, 12.0},
    {"C", 13, 13.00335483534},
    {"N", 14, 14.00307400425},
    {"N", 15, 15.00010889827},
    {"O", 16, 15.99491461926},
    {"O", 17, 16.99913175595},
    {"O", 18, 17.99915961214},
    {"F", 19, 18.99840316207},
    {"Na", 23, 22.98976928195},
    {"Mg", 24, 23.985041689},
    {"Al", 27, 26.981538408},
    {"Si", 28, 27.97692653442},
    {"Si", 29, 28.97649466434},
    {"Si", 30, 29.973770137},
    {"P", 31, 30.97376199768},
    {"S", 32, 31.97207117354},
    {"S", 33, 32.97145890862},
    {"S", 34, 33.967867011},
    {"Cl", 35, 34.968852694},
    {"Cl", 37, 36.965902573},
    {"K", 39, 38.9637064848},
    {"Ca", 40, 39.962590850},
    {"Ti", 48, 47.947940932},
    {"V", 51, 50.943957664},
    {"Cr", 52, 51.940504714},
    {"Mn", 55, 54.938043040},
    {"Fe", 56, 55.934935537},
    {"Co", 59, 58.933193524},
    {"Ni", 58, 57.935341650},
    {"Ni", 60, 59.930785129},
    {"Ni", 61, 60.931054819},
    {"Ni", 62, 61.928344753},
    {"Ni", 64, 63.927966228},
    {"Cu", 63, 62.929597119},
    {"Cu", 65, 64.927789476},
    {"Zn", 64, 63.929141776},
    {"Ge", 74, 73.921177760},
    {"Br", 79, 78.918337601},
    {"Br", 81, 80.916288197},
    {"Y", 89, 88.905838156},
    {"Zr", 90, 89.904698755},
    {"Nb", 93, 92.906373170},
    {"Mo", 98, 97.905403609},
    {"Ag", 107, 106.905091509},
    {"Ag", 109, 108.904755778},
    {"In", 115, 114.903878772},
    {"Sn", 120, 119.902202557},
    {"I", 127, 126.904471838},
    {"Cs", 133, 132.905451958},
    {"La", 139, 138.906362927},
    {"Ta", 181, 180.947999331},
    {"W", 184, 183.950933180},
    {"Au", 197, 196.966570103},
    {"Bi", 209, 208.980398599},
});
constexpr double electron_mass_u = 0.000548579909;

// Every symbol, so that `Ma-` or `Total-` is no formula although no mass is known for most of these.
constexpr std::string_view symbols =
    " H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb "
    "Sr Y Zr "
    "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re "
    "Os Ir "
    "Pt Au Hg Tl Pb Bi Th U ";

constexpr int most_atoms = 999;  // no secondary ion has more; keeps hostile labels small

bool is_symbol(std::string_view element) {
  return symbols.find(" " + std::string(element) + " ") != std::string_view::npos;
}

const Isotope* find_isotope(const Formula::Nuclide& nuclide) {
  const auto same = [&](const Isotope& isotope) {
    return isotope.element == nuclide.element &&
           (nuclide.isotope == 0 || isotope.mass_number == nuclide.isotope);
  };
  const auto* found = std::find_if(isotopes.begin(), isotopes.end(), same);
  return found == isotopes.end() ? nullptr : found;
}

bool is_most_abundant(const Formula::Nuclide& nuclide) {
  const auto* first = find_isotope({nuclide.element, 0});
  return first != nullptr && first->mass_number == nuclide.isotope;
}

// Takes a positive number from the front; nothing when there is none or it is too large.
std::optional<int> take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 1 || number > most_atoms) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<std::string> take_element(std::string_view& text) {
  std::size_t size = 0;
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') size = 1;
  if (size == 1 && text.size() > 1 && text[1] >= 'a' && text[1] <= 'z') size = 2;
  const std::string element(text.substr(0, size));
  if (size == 0 || !is_symbol(element)) return std::nullopt;
  text.remove_prefix(size);
  return element;
}

bool starts_with_digit(std::string_view text) { return !text.empty() && text[0] >= '0' && text[0] <= '9'; }

// One `[^m]Element[_n]`.
bool take_atoms(std::string_view& text, Formula& formula) {
  Formula::Nuclide nuclide;
  if (text.starts_with('^')) {
    text.remove_prefix(1);
    const auto mass_number = take_number(text);
    if (!mass_number) return false;
    nuclide.isotope = *mass_number;
  }
  const auto element = take_element(text);
  if (!element) return false;
  nuclide.element = *element;
  if (is_most_abundant(nuclide)) nuclide.isotope = 0;

  std::optional<int> count = 1;
  if (text.starts_with('_')) {
    text.remove_prefix(1);
    count = take_number(text);
  } else if (starts_with_digit(text)) {
    count = take_number(text);
  }
  if (!count) return false;
  int& atoms = formula.atoms[nuclide];
  atoms += *count;
  return atoms <= most_atoms;
}

bool only(const Formula& formula, std::initializer_list<std::string_view> elements) {
  return std::ranges::all_of(formula.atoms, [&](const auto& entry) {
    return std::ranges::find(elements, std::string_view(entry.first.element)) != elements.end();
  });
}

std::string without_underscores(std::string_view label) {
  std::string plain(label);
  std::erase(plain, '_');
  return plain;
}

}  // namespace

int Formula::count(std::string_view element) const {
  int sum = 0;
  for (const auto& [nuclide, n] : atoms)
    if (nuclide.element == element) sum += n;
  return sum;
}

std::optional<Formula> parse_formula(std::string_view label) {
  label = text::trimmed(label);
  Formula formula;
  if (label.ends_with('-') || label.ends_with('+')) {
    formula.charge = label.back() == '-' ? -1 : 1;
    label.remove_suffix(1);
  } else {
    return std::nullopt;
  }
  if (label.empty()) return std::nullopt;
  while (!label.empty())
    if (!take_atoms(label, formula)) return std::nullopt;
  return formula;
}

std::optional<double> ion_mass(const Formula& formula) {
  double mass = -formula.charge * electron_mass_u;
  for (const auto& [nuclide, n] : formula.atoms) {
    const auto* isotope = find_isotope(nuclide);
    if (isotope == nullptr) return std::nullopt;
    mass += n * isotope->mass_u;
  }
  return mass;
}

std::string fragment_key(std::string_view label) {
  const auto formula = parse_formula(label);
  if (!formula) return std::string(text::trimmed(label));
  std::string key;
  for (const auto& [nuclide, n] : formula->atoms) {
    if (nuclide.isotope != 0) key += "^" + std::to_string(nuclide.isotope);
    key += nuclide.element + "_" + std::to_string(n);
  }
  return key + (formula->charge < 0 ? "-" : "+");
}

std::string_view category_by_rule(const Formula& formula) {
  const int li = formula.count("Li"), s = formula.count("S"), p = formula.count("P"), o = formula.count("O");
  if (formula.charge > 0) return "other";
  if (li <= 1 && only(formula, {"Li", "P", "S"}) && ((p >= 1 && s >= 1) || (p == 0 && s >= 3)))
    return "polysulfide";
  if (li <= 1 && only(formula, {"Li", "S", "O"}) && s == 1 && o >= 1) return "SOy";
  if (li <= 1 && only(formula, {"Li", "P", "O"}) && p == 1 && o >= 1) return "POy";
  if (only(formula, {"Li", "Cl"}) && formula.count("Cl") >= 1) return "SE";
  if (only(formula, {"Li", "S"}) && (s == 1 || s == 2)) return "SE";
  if (only(formula, {"Li", "S", "H"}) && s == 1 && formula.count("H") == 1) return "SE";
  if (only(formula, {"Ni", "Co", "Mn", "O", "Li"}) && !only(formula, {"O", "Li"})) return "CAM";
  if (only(formula, {"Nb", "Zr", "O", "Li", "H"}) && !only(formula, {"O", "Li", "H"})) return "coating";
  return "other";
}

const FragmentTable& FragmentTable::built_in() {
  static const FragmentTable table = parse(embedded_tables("fragments.csv"), "fragments.csv");
  return table;
}

FragmentTable FragmentTable::parse(std::string_view text, std::string_view name) {
  text::refuse_unwritten(text, name);
  FragmentTable table;
  text::Lines lines(text);
  auto header = lines.next();
  while (header && text::trimmed(*header).empty()) header = lines.next();
  if (!header || text::trimmed(*header) != "formula,mz,category")
    throw BadInput(name, lines.number(), "the first line is not \"formula,mz,category\"",
                   "put that line first");

  while (const auto line = lines.next()) {
    if (text::trimmed(*line).empty() || text::trimmed(*line).starts_with('#')) continue;
    const auto fields = text::split(*line, ',');
    const auto field = [&](std::size_t i) { return i < fields.size() ? text::trimmed(fields[i]) : ""; };
    const auto formula = parse_formula(field(0));
    if (!formula || fields.size() > 3)
      throw BadInput(name, lines.number(), text::quoted(*line) + " is no fragment",
                     "write for example \"PO3-,78.959054,POy\"; m/z and category may stay empty");
    Fragment fragment{without_underscores(field(0)), ion_mass(*formula).value_or(0.0), std::string(field(2))};
    if (!field(1).empty()) {
      const auto mz = text::number(field(1));
      if (!mz || !(*mz > 0) || !std::isfinite(*mz))
        throw BadInput(name, lines.number(), text::quoted(field(1)) + " is no m/z",
                       "write a positive number of u, or nothing to have it computed");
      fragment.mz = *mz;
    }
    if (fragment.category.empty()) fragment.category = category_by_rule(*formula);
    if (!table.by_key_.emplace(fragment_key(fragment.label), table.fragments_.size()).second)
      throw BadInput(name, lines.number(), fragment.label + " is listed twice",
                     "remove one of the two lines");
    table.fragments_.push_back(std::move(fragment));
  }
  return table;
}

Fragment FragmentTable::describe(std::string_view label) const {
  if (const auto found = by_key_.find(fragment_key(label)); found != by_key_.end())
    return fragments_[found->second];
  const auto formula = parse_formula(label);
  if (formula)
    return {without_underscores(text::trimmed(label)), ion_mass(*formula).value_or(0.0),
            std::string(category_by_rule(*formula))};
  // An interval without assignment is named by its mass, "m/z 178": it sorts among the others.
  const auto trimmed = text::trimmed(label);
  const auto mz = trimmed.starts_with("m/z ") ? text::number(trimmed.substr(4)) : std::nullopt;
  return {std::string(trimmed), mz.value_or(0.0), "other"};
}

}  // namespace cambench::sims
