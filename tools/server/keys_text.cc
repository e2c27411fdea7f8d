// The two texts made from the table of keys: --help and docs/configuration.md.
#include "tools/server/keys.h"

#include <array>

namespace verity::tools {
namespace {

void add_option(std::string& out, std::string_view option, std::string_view help) {
  std::string line = "    " + std::string(option);
  line.resize(std::max<std::size_t>(line.size() + 1, 29), ' ');
  out += line + std::string(help) + "\n";
}

void add_flag(std::string& out, Key key) {
  const Flag& flag = row_of(key).flag;
  add_option(out, std::string(flag.name) + (flag.metavar.empty() ? "" : " ") + std::string(flag.metavar),
             flag.help);
}

// The order of the operations guide, then what came later.
constexpr std::array flags_in_order = {Key::node_id,        Key::bind_address, Key::data_dir,
                                       Key::cluster_peers,  Key::log_level,    Key::advertise_address,
                                       Key::allow_insecure, Key::read_only};

constexpr std::string_view document_head = R"(# Configuration

<!-- Made from the table of keys in tools/server/keys.cc; the test `tools` compares, and rewrites it when VERITY_BLESS is set. -->

`verity-server` takes its settings from four places. Each overrides the ones before it:

1. the defaults below,
2. the file named by `--config` (or `VERITY_CONFIG`), in TOML; no file is read unless one is named,
3. the environment,
4. flags.

`verity-server --config FILE --validate` checks all of them without starting anything: it prints every problem at
once and exits 1, or prints the settings that would act, with where each came from, and exits 0.

Nothing is ignored silently. An unknown key, section or flag and a value that is not allowed stop the start, with the
place, the value, the nearest known name and what is allowed. A variable of the environment that begins with `VERITY_`
but is no key stops the start when it looks like a misspelt key, and is named in a warning otherwise.

Values:

- **Sizes** are a number of bytes, or a number with `B`, `KB`, `MB` or `GB`; these are powers of 1024.
- **Durations** are a whole number with `ms`, `s`, `m` or `h`.
- **Addresses** are `host:port`; an IPv6 host stands in brackets.
- **Paths** in the file are absolute; in the environment and in flags they may be relative to the current directory.
- In the environment `true`, `1`, `yes`, `on` and `false`, `0`, `no`, `off` are booleans. In the file a boolean is
  `true` or `false`.

The last column says what a key does in this version. **now**: it acts. **later**: it is checked, and named at start
as having no effect yet. **off only**: any value but the default is refused, because accepting it would promise what
the server does not do.
)";

constexpr std::string_view document_tail = R"(
## A file to begin with

```toml
[server]
bind_address = "127.0.0.1:7000"
node_id = 1
cluster_name = "production"

[storage]
data_dir = "/var/lib/verity"
segment_size = "64MB"
sync_mode = "fsync"

[limits]
max_record_size = "1MB"
max_batch_size = "10MB"

[telemetry]
metrics_address = "127.0.0.1:9090"
log_level = "info"
```
)";

std::string_view effect_text(Effect effect) {
  switch (effect) {
    case Effect::now:
      return "now";
    case Effect::later:
      return "later";
    case Effect::refused:
      return "off only";
  }
  return {};
}

std::string code(std::string_view text) {
  return "`" + std::string(text) + "`";
}

}  // namespace

std::string help_text() {
  std::string out = "Usage: verity-server [OPTIONS]\n\nOptions:\n";
  add_option(out, "--config <PATH>", "Configuration file path");
  for (const Key key : flags_in_order) add_flag(out, key);
  add_option(out, "--force-recover", "Go on alone: a majority of the members is gone for good");
  add_option(out, "--validate", "Check the configuration, print it, and exit");
  add_option(out, "-h, --help", "Print help");
  add_option(out, "-V, --version", "Print version");
  return out;
}

std::string configuration_document() {
  std::string out(document_head);
  std::string_view section;
  for (const KeyRow& row : key_table()) {
    if (row.section != section) {
      section = row.section;
      out += "\n## [" + std::string(section) + "]\n\n";
      out += "| Key | Environment, flag | Default | Allowed | Meaning | Acts |\n|---|---|---|---|---|---|\n";
    }
    std::string outside = code(row.environment);
    if (row.has_flag()) outside += ", " + code(row.flag.name);
    out += "| " + code(row.name) + " | " + outside + " | " +
           (row.default_text.empty() ? "empty" : code(row.default_text)) + " | " +
           (row.effect == Effect::refused
                ? (row.type == ValueType::boolean ? std::string("`false`") : std::string("empty"))
                : row.allowed()) +
           " | " + std::string(row.meaning) +
           (row.effect == Effect::refused ? " Refused: " + std::string(row.why) + "." : "") + " | " +
           std::string(effect_text(row.effect)) + " |\n";
  }
  out += document_tail;
  return out;
}

}  // namespace verity::tools
