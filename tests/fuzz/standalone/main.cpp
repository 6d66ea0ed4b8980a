// A fuzz target without libFuzzer, for every compiler and every ctest: the corpus, then seeded mutations of it. The
// same arguments give the same inputs. An input that ends the program is left in a file that the last line names.
//
//   fuzz_<target> CORPUS [mutations=20000] [seed=1]
//   fuzz_<target> FILE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;
using Random = std::mt19937_64;

constexpr std::size_t longest_input = 64 * 1024;
std::string current;

void run(std::string input) {
  current = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current.data()), current.size());
}

// The program is lost; all that is left to do is to keep what did it.
void keep_input(int signal) {
  constexpr const char* name = "crash-input";
  const int file = ::open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const bool kept =
      file >= 0 && ::write(file, current.data(), current.size()) == static_cast<ssize_t>(current.size());
  std::fprintf(stderr, "signal %d; the input is %s %s\n", signal,
               kept ? "in" : "lost, it could not be written to", name);
  ::_exit(1);
}

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> read_corpus(const fs::path& place) {
  std::vector<fs::path> files;
  if (fs::is_directory(place))
    for (const auto& entry : fs::directory_iterator(place)) files.push_back(entry.path());
  else
    files.push_back(place);
  std::ranges::sort(files);
  std::vector<std::string> inputs;
  for (const auto& file : files) inputs.push_back(content(file));
  return inputs;
}

std::size_t below(Random& random, std::size_t end) { return end == 0 ? 0 : random() % end; }

/// Numbers and signs at which parsers turn.
constexpr std::array<std::string_view, 20> tokens{"0",
                                                  "-1",
                                                  "1e999",
                                                  "nan",
                                                  "65536",
                                                  "9223372036854775808",
                                                  "-9223372036854775808",
                                                  "\n",
                                                  "\r\n",
                                                  "\"",
                                                  "[[",
                                                  "]",
                                                  "{",
                                                  "true",
                                                  "=",
                                                  "\xff\xff",
                                                  "\x7f\xff\xff\xff",
                                                  ",",
                                                  "\x80",
                                                  std::string_view("\0", 1)};

void change(std::string& input, const std::vector<std::string>& corpus, Random& random) {
  const std::size_t at = below(random, input.size() + 1);
  const std::size_t length = std::min(1 + below(random, 16), input.size() - at);
  switch (below(random, 7)) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ 1 << below(random, 8));
      break;
    case 1:
      if (at < input.size()) input[at] = static_cast<char>(random());
      break;
    case 2: input.insert(at, 1, static_cast<char>(random())); break;
    case 3: input.erase(at, length); break;
    case 4: input.insert(below(random, input.size() + 1), input.substr(at, length)); break;
    case 5: input.replace(at, length, tokens[below(random, tokens.size())]); break;
    case 6: {
      const std::string& other = corpus[below(random, corpus.size())];
      const std::size_t from = below(random, other.size() + 1);
      input.replace(at, length, other, from, below(random, 256));
      break;
    }
  }
}

std::string mutated(const std::vector<std::string>& corpus, Random& random) {
  std::string input = corpus[below(random, corpus.size())];
  for (std::size_t changes = 1 + below(random, 8); changes > 0; --changes) change(input, corpus, random);
  if (input.size() > longest_input) input.resize(longest_input);
  return input;
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s CORPUS|FILE [mutations] [seed]\n", words[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGBUS}) ::signal(signal, keep_input);
  const auto corpus = read_corpus(words[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no input\n", words[1]);
    return 2;
  }
  for (const auto& input : corpus) run(input);
  const bool one_file = !fs::is_directory(words[1]);
  const auto mutations = one_file ? 0L : count > 2 ? std::atol(words[2]) : 20'000L;
  Random random(count > 3 ? static_cast<std::uint64_t>(std::atoll(words[3])) : 1);
  for (long i = 0; i < mutations; ++i) run(mutated(corpus, random));
  std::printf("%zu inputs and %ld mutations of them\n", corpus.size(), mutations);
}
