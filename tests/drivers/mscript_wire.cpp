// MethodSCRIPT on the wire. Numbers and lines come from the maker's documents (comm_protocol.md, the READMEs of the C
// and Python examples) and from replies of real instruments printed there; others are computed by the rule
// (7 hex digits - 0x8000000) x 10^prefix.
#include "drivers/wire/mscript.h"

#include <doctest/doctest.h>

#include <random>

using namespace cambench;
using namespace cambench::wire::mscript;
using doctest::Approx;

namespace {

std::vector<std::string> lines_of(std::string_view bytes, std::size_t piece) {
  Lines lines;
  std::vector<std::string> all;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    lines.feed(bytes.substr(at, piece));
    while (auto line = lines.next()) all.push_back(*line);
  }
  return all;
}

std::vector<Variable> packet(std::string_view line) {
  auto parsed = parse_packet(line);
  REQUIRE_MESSAGE(parsed, line);
  return *parsed;
}

double value_of(std::string_view number) {
  const auto parsed = parse_number(number);
  REQUIRE_MESSAGE(parsed, number);
  REQUIRE(parsed->value);
  return *parsed->value;
}

}  // namespace

TEST_CASE("lines are the same in whatever pieces their bytes come") {
  const std::string_view bytes = "e\r\nM000A\n\x11Peb8000000a;ab8387520u,10,204\n*\n\n";
  const std::vector<std::string> expected{"e", "M000A", "Peb8000000a;ab8387520u,10,204", "*", ""};
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) CHECK(lines_of(bytes, piece) == expected);
}

TEST_CASE("XON, XOFF and CR are dropped wherever they stand, the empty line is kept") {
  CHECK(lines_of("\x11\x13t\x11"
                 "es4_hr1100\r\nR\x13*\r\n\r\n",
                 3) == std::vector<std::string>{"tes4_hr1100", "R*", ""});
}

TEST_CASE("a line longer than any instrument sends is noise, and the next one is whole") {
  const std::string noise(longest_line + 1, 'x');
  CHECK(lines_of(noise + "\nR*\n", 100) == std::vector<std::string>{"R*"});
  CHECK(lines_of(std::string(longest_line, 'x') + "\n", 7).front().size() == longest_line);
}

TEST_CASE("every kind of line of a running script is told by its first character") {
  CHECK(classify("") == LineKind::end_of_script);
  for (const auto* line : {"M000A", "L", "C0002"}) CHECK(classify(line) == LineKind::loop_began);
  for (const auto* line : {"*", "+", "-"}) CHECK(classify(line) == LineKind::loop_ended);
  CHECK(classify("Pda7F85F3Fu;ba48D503Dp,10,288") == LineKind::packet);
  CHECK(classify("THello world!") == LineKind::text);
  CHECK(classify("!0032: Line 12") == LineKind::error);
  CHECK(classify("Z") == LineKind::abort_acknowledged);
  CHECK(classify("R*") == LineKind::other);
  CHECK(classify("C" + std::string(64, '0')) == LineKind::other);  // the answer to CM is no scan
}

TEST_CASE("every answer ends where the protocol says") {
  CHECK_FALSE(ends_reply("t", "tes4_lr1500#Mar 12 2026 14:28:01"));
  CHECK(ends_reply("t", "R*"));
  for (const auto* command : {"r", "e", "e_fs run.mscr", "fs_dir /"}) {
    CHECK_FALSE(ends_reply(command, "THello world!"));
    CHECK_FALSE(ends_reply(command, "*"));
    CHECK(ends_reply(command, ""));
  }
  CHECK_FALSE(ends_reply("fs_get run.txt", ""));
  CHECK(ends_reply("fs_get run.txt", "\x1c"));
  CHECK_FALSE(ends_reply("fs_info", "f"));
  CHECK(ends_reply("fs_info", "12 kB, 8192 kB"));
  for (const auto* command : {"i", "v", "CM", "l\nvar p\n", "Z"}) CHECK(ends_reply(command, "anything"));
  for (const auto* command : {"t", "e", "fs_get x"}) CHECK(ends_reply(command, "e!4001: Line 1, Col 27"));
}

TEST_CASE("numbers of the maker's transcripts have the values printed beside them") {
  CHECK(value_of("7F85F3Fu") == Approx(-0.499905).epsilon(1e-12));
  CHECK(value_of("48D503Dp") == Approx(-57.847747e-6).epsilon(1e-12));
  CHECK(value_of("DF5CB18n") == Approx(0.099994392).epsilon(1e-12));
  CHECK(value_of("8000800u") == Approx(0.002048).epsilon(1e-12));
  CHECK(value_of("800000Am") == Approx(0.010).epsilon(1e-12));
  CHECK(value_of("7FFFFF6m") == Approx(-0.010).epsilon(1e-12));
  CHECK(value_of("9570C36u") == Approx(22.481974).epsilon(1e-12));
  CHECK(value_of("8000001i") == 1);
  CHECK(value_of("DF5DFF4u") == Approx(99.999732).epsilon(1e-12));
}

TEST_CASE("a number is the nearest double to what its decimal digits say") {
  CHECK(value_of("8387520u") == 3.7);
  CHECK(value_of("8401640u") == 4.2);
  CHECK(value_of("82625A0u") == 2.5);
  CHECK(value_of("83D0900n") == 4e-3);
  CHECK(value_of("7C2F700n") == -4e-3);
  CHECK(value_of("8061A80n") == 4e-4);
  CHECK(value_of("DF5E100p") == 1e-4);
  CHECK(value_of("8989680u") == 10);
  CHECK(value_of("836EE80m") == 3600);
}

TEST_CASE("zero has any prefix, also a blank one, and NaN is no value") {
  for (const char prefix : std::string_view("afpnum kMGTPEi"))
    CHECK(value_of(std::string("8000000") + prefix) == 0);
  const auto nan = parse_number("     nan");
  REQUIRE(nan);
  CHECK_FALSE(nan->value);
}

TEST_CASE("the limits of 28 bits are read") {
  CHECK(value_of("0000000 ") == -134217728);
  CHECK(value_of("FFFFFFF ") == 134217727);
  CHECK(value_of("8000001E") == 1e18);
  CHECK(value_of("8000001a") == 1e-18);
}

TEST_CASE("what is no number is refused") {
  for (const auto* text :
       {"", "8387520", "8387520uu", "838752xu", "8387520X", "-387520u", "    nan ", "8387520\n"})
    CHECK_FALSE(parse_number(text));
}

TEST_CASE("metadata gives status and range, in either order, and unknown kinds are passed over") {
  const auto v = packet("Pba9699F74p,14,218;da84E63DAn;ba82AB973f,284,14,40,7F");
  REQUIRE(v.size() == 3);
  CHECK(v[0].is("ba"));
  CHECK(v[0].value == Approx(23.699316e-6).epsilon(1e-12));
  CHECK(v[0].status == reading_status::underload);
  CHECK(v[0].range == 0x18);
  CHECK(v[1].value == Approx(5.13737e-3).epsilon(1e-7));  // README: 5.13737 mV
  CHECK_FALSE(v[1].range);                                // set values carry no metadata
  CHECK(v[2].value == Approx(2.799987e-9).epsilon(1e-12));
  CHECK(v[2].range == 0x84);
}

TEST_CASE("each status bit is the one of the reading") {
  CHECK(packet("Pab8387520u,10,204")[0].status == reading_status::ok);
  CHECK(packet("Pab8387520u,11,204")[0].status == reading_status::timing);
  CHECK(packet("Pab8387520u,12,204")[0].status == reading_status::overload);
  CHECK(packet("Pab8387520u,18,204")[0].status == reading_status::overload_warning);
  CHECK(packet("Pab     nan,12,204")[0].status == (reading_status::overload | reading_status::bad));
}

TEST_CASE("damaged packets are refused whole") {
  for (const auto* line :
       {"", "P", "P;", "Pab", "Pab8387520", "Pab8387520u;", "Pab83x7520u", "Pab8387520u10", "Pab8387520u,",
        "Pab8387520u,1Z", "Pab8387520u,10,204Peb8000000a", "Xab8387520u", "Pab8387520u,10,204*"})
    CHECK_FALSE(parse_packet(line));
}

TEST_CASE("no bytes at all make the parsers misbehave") {
  std::mt19937 random(1);
  const std::string whole = "Peb836EE80m;ab8401640u,10,204;db8061A80n,10,215;ba     nan,10,215";
  for (int i = 0; i < 20'000; ++i) {
    std::string line = whole.substr(0, random() % (whole.size() + 1));
    for (int changes = static_cast<int>(random() % 4); changes > 0 && !line.empty(); --changes)
      line[random() % line.size()] = static_cast<char>(random() % 256);
    const auto parsed = parse_packet(line);
    if (parsed)
      for (const auto& v : *parsed) CHECK((!v.value || std::abs(*v.value) <= 1.4e26));
    (void)classify(line);
    (void)parse_error(line);
    (void)parse_firmware(line);
    (void)parse_capabilities(line);
  }
}

TEST_CASE("errors are told from answers, with their place and a name") {
  const auto refused = parse_error("e!4001: Line 1, Col 27");
  REQUIRE(refused);
  CHECK(refused->code == 0x4001);
  CHECK(describe(*refused) == "4001: the script command is unknown (Line 1, Col 27)");
  CHECK(parse_error("Z!0006")->code == error::not_in_this_mode);
  CHECK(describe(*parse_error("!0032")) ==
        "0032: critical overload of the cell; the measurement was aborted");
  CHECK(describe(*parse_error("!4205: Line 3")) == "4205: an argument has a wrong value or type (Line 3)");
  CHECK(describe(*parse_error("!7FFF")) == "7FFF: fatal; the instrument must be reset");
  CHECK(describe(*parse_error("!1234")) == "1234: an error we have no name for");
  for (const auto* line : {"", "!", "!00", "!00zz", "Z", "THello!0001", "e!40"})
    CHECK_FALSE(parse_error(line));
}

TEST_CASE("identities of real instruments are read") {
  const auto lr = parse_firmware("tes4_lr1500#Mar 12 2026 14:28:01");
  REQUIRE(lr);
  CHECK(lr->device == "es4_lr");
  CHECK(lr->version == "1500 Mar 12 2026 14:28:01");
  CHECK(parse_firmware("tes4_hr1100#Jan 28 2022 11:04:43")->device == "es4_hr");
  CHECK(parse_firmware("tespico1304#Oct 22 2021 14:38:26")->device == "espico");
  CHECK(parse_serial("iES4LR20B0008") == "ES4LR20B0008");
  CHECK(parse_version("v01.09.00") == "01.09.00");
  for (const auto* line : {"", "t", "t!0006", "es4_hr1100"}) CHECK_FALSE(parse_firmware(line));
  for (const auto* line : {"", "i", "i!0006", "vES4"}) CHECK_FALSE(parse_serial(line));
  CHECK_FALSE(parse_version("v!0003"));
}

TEST_CASE("the limits of a model are the maker's") {
  CHECK(model_of("es4_hr")->max_potential == Volt(6));
  CHECK(model_of("mes4hr")->max_current == from_mA(200));
  CHECK(model_of("es4_lr")->max_current == from_mA(30));
  CHECK(model_of("nexus1")->max_potential == Volt(10));
  CHECK_FALSE(model_of("espico")->galvanostat);
  CHECK_FALSE(model_of("espbl_"));
}

TEST_CASE("capability bits count from the least significant, with either echo of the command") {
  // A real EmStat4 LR (comm_protocol.md): it has a galvanostat, 67 meas_loop_cp and 68 set_i.
  const std::string cm64 = "000000000000000000000000000003FFFFBFE8FFFFFFFFFFFFFFFFFFFFBFFFFE";
  for (const auto& line : {"C" + cm64, "CM" + cm64}) {
    const auto can = parse_capabilities(line);
    REQUIRE_MESSAGE(can, line);
    CHECK(can->has(can_meas_loop_cp));
    CHECK(can->has(can_set_i));
    CHECK_FALSE(can->has(0));
    CHECK(can->has(1));
    CHECK_FALSE(can->has(22));
    CHECK_FALSE(can->has(200));
    CHECK_FALSE(can->has(256));
  }
  const std::string cc = "000000000000000000000000000000000000002F0000003FFFFF98FF00000002";
  const auto commands = parse_capabilities("C" + cc);
  REQUIRE(commands);
  for (const unsigned bit : {36U, 37U, 38U, 48U, 96U, 97U, 98U, 99U, 101U}) CHECK(commands->has(bit));
  for (const auto& line :
       {std::string("C"), cc, "C" + cc.substr(1), "C" + cc + "00", "C" + cc.substr(1) + "x"})
    CHECK_FALSE(parse_capabilities(line));
}

TEST_CASE("literals are integers with the largest prefix that keeps them so") {
  CHECK(literal(4.2, -6) == "4200m");
  CHECK(literal(4e-4, -9) == "400u");
  CHECK(literal(-4e-4, -9) == "-400u");
  CHECK(literal(2.0, -6) == "2");
  CHECK(literal(39600, -6) == "39600");
  CHECK(literal(12000, -6) == "12k");
  CHECK(literal(1.608e-3, -9) == "1608u");
  CHECK(literal(0.5, -6) == "500m");
  CHECK(literal(0.0, -6) == "0");
  CHECK(literal(1e-12, -9) == "0");
  CHECK(literal(4.2000001, -6) == "4200m");
}

TEST_CASE("a literal has at most 31 bits: resolution gives way, not the value") {
  CHECK(literal(64285.714285, -6) == "64285714m");
  CHECK(literal(-64285.714285, -6) == "-64285714m");
  CHECK(literal(2147.483647, -6) == "2147483647u");
  CHECK(literal(2147.483648, -6) == "2147484m");
}

TEST_CASE("a literal read back is the value") {
  std::mt19937 random(7);
  std::uniform_int_distribution<std::int64_t> counts(-2'000'000'000, 2'000'000'000);
  for (int i = 0; i < 2000; ++i) {
    const double value = static_cast<double>(counts(random)) * 1e-9;
    const std::string text = literal(value, -9);
    static constexpr std::string_view names = "num kMG";
    const auto prefix = names.find(text.back());
    const double unit =
        prefix == std::string_view::npos ? 1.0 : std::pow(10.0, 3.0 * static_cast<double>(prefix) - 9);
    CHECK(static_cast<double>(std::stoll(text)) * unit == Approx(value).epsilon(1e-12));
    CHECK(text.find('.') == std::string::npos);
  }
}
