// verity-flip: one bit of every byte of a small data directory flipped in turn. Each must be found and named, or
// make no difference; nothing false may ever be served.
//
//   verity-flip [--stride N] [--all-bits] [--path TEXT] [--jobs J]
//
// Prints a table by file: bytes, refused, named, harmless, and every `wrong` with the line that repeats it.
#include "io/base/prng.h"
#include "tests/flip/flip.h"

#include <CLI/CLI.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace verity::flip {
namespace {

struct Options {
  std::uint64_t stride = 1;
  std::string path;
  std::int64_t offset = -1;
  unsigned jobs = 1;
  bool all_bits = false;
};

struct Counts {
  std::array<std::uint64_t, 4> by_finding{};
  std::string example_refused;
  std::string example_named;
};

// What one child found in its share of the bytes, a line each, through a pipe.
void run_share(const Image& image, const Options& options, unsigned share, FILE* out) {
  std::uint64_t number = 0;
  for (const auto& [path, content] : image.files) {
    if (path.find(options.path) == std::string::npos) continue;
    for (ByteCount offset = 0; offset < content.size(); offset += options.stride) {
      if (options.offset >= 0 && offset != static_cast<ByteCount>(options.offset)) continue;
      if (number++ % options.jobs != share) continue;
      const unsigned first = options.all_bits ? 0 : static_cast<unsigned>(Prng(offset).below(8));
      const unsigned last = options.all_bits ? 8 : first + 1;
      for (unsigned bit = first; bit < last; ++bit) {
        const auto verdict = flip_and_look(image, path, offset, bit);
        std::fprintf(out, "%s\t%lu\t%u\t%u\t%s\n", path.c_str(), offset, bit,
                     static_cast<unsigned>(verdict.finding), verdict.words.c_str());
        std::fflush(out);
      }
    }
  }
}

// Reads the children's lines as they come; false if anything was wrong.
bool gather(std::vector<FILE*>& pipes, const Image& image) {
  std::map<std::string, Counts> counts;
  std::uint64_t done = 0;
  bool fine = true;
  std::vector<char> line(1 << 16);
  while (!pipes.empty()) {
    for (std::size_t n = 0; n < pipes.size();) {
      if (std::fgets(line.data(), static_cast<int>(line.size()), pipes[n]) == nullptr) {
        std::fclose(pipes[n]);
        pipes.erase(pipes.begin() + static_cast<std::ptrdiff_t>(n));
        continue;
      }
      std::array<std::string, 5> fields;
      std::string_view rest(line.data());
      while (rest.ends_with('\n')) rest.remove_suffix(1);
      for (std::size_t f = 0; f < 4; ++f) {
        const auto tab = rest.find('\t');
        fields[f] = rest.substr(0, tab);
        rest.remove_prefix(tab == std::string_view::npos ? rest.size() : tab + 1);
      }
      fields[4] = rest;
      const auto finding = std::stoul(fields[3]);
      auto& file = counts[fields[0]];
      ++file.by_finding[finding];
      if (finding == 0 && file.example_refused.empty()) file.example_refused = fields[4];
      if (finding == 1 && file.example_named.empty()) file.example_named = fields[4];
      if (finding == 3) {
        fine = false;
        std::printf("WRONG: verity-flip --path %s --offset %s (bit %s): %s\n", fields[0].c_str(),
                    fields[1].c_str(), fields[2].c_str(), fields[4].c_str());
      }
      if (++done % 20000 == 0) {
        std::printf("  %lu bits flipped\n", done);
        std::fflush(stdout);
      }
      ++n;
    }
  }
  std::printf("%-28s %9s %9s %9s %9s %9s\n", "file", "bytes", "refused", "named", "harmless", "wrong");
  Counts all;
  for (const auto& [path, c] : counts) {
    std::printf("%-28s %9zu %9lu %9lu %9lu %9lu\n", path.c_str(), image.files.at(path).size(),
                c.by_finding[0], c.by_finding[1], c.by_finding[2], c.by_finding[3]);
    for (std::size_t f = 0; f < 4; ++f) all.by_finding[f] += c.by_finding[f];
  }
  std::printf("%-28s %9lu %9lu %9lu %9lu %9lu\n", "all", image.size(), all.by_finding[0], all.by_finding[1],
              all.by_finding[2], all.by_finding[3]);
  for (const auto& [path, c] : counts) {
    if (!c.example_refused.empty()) std::printf("%s, refused: %s\n", path.c_str(), c.example_refused.c_str());
    if (!c.example_named.empty()) std::printf("%s, named: %s\n", path.c_str(), c.example_named.c_str());
  }
  std::printf("%lu bits flipped, %lu wrong\n", done, all.by_finding[3]);
  return fine && done > 0;
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Flips one bit of every byte of a small data directory", "verity-flip");
  app.add_option("--stride", options.stride, "Only every so many bytes")->check(CLI::Range(1, 1 << 20));
  app.add_option("--path", options.path, "Only files whose path contains this");
  app.add_option("--offset", options.offset, "Only this byte");
  app.add_option("--jobs", options.jobs, "Processes")->check(CLI::Range(1, 256));
  app.add_flag("--all-bits", options.all_bits, "All eight bits of each byte instead of one");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const Image image = make_image();
  std::printf("a data directory of %zu files and %lu bytes, %lu entries\n", image.files.size(), image.size(),
              image.head);
  std::fflush(stdout);
  std::vector<FILE*> pipes;
  std::vector<pid_t> children;
  for (unsigned share = 0; share < options.jobs; ++share) {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      FILE* out = fdopen(ends[1], "w");
      run_share(image, options, share, out);
      std::fclose(out);
      _exit(0);
    }
    close(ends[1]);
    children.push_back(child);
    pipes.push_back(fdopen(ends[0], "r"));
  }
  bool fine = gather(pipes, image);
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) {
      std::printf("a process ended with status %d: something false stopped it\n", status);
      fine = false;
    }
  }
  return fine ? 0 : 1;
}

}  // namespace
}  // namespace verity::flip

int main(int argc, char** argv) {
  return verity::flip::run(argc, argv);
}
