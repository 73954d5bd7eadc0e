#include "tools/bench_memory.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "configs/document.h"
#include "configs/nearest.h"
#include "memory/expire_span.h"
#include "memory/recurrent_front.h"
#include "tools/bench_step.h"
#include "tools/character_model.h"
#include "tools/cpu_time.h"
#include "tools/freed_memory.h"
#include "tools/matrix_rate.h"
#include "tools/median.h"
#include "tools/progress_table.h"
#include "tools/run_program.h"
#include "tools/signals.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

constexpr size_t kLeastUpdates = 3;
constexpr double kLongLimit = 16;  // row `long`: so many times the limit, with the same living memories

/// What was measured of a row.
struct Figures {
  double chars_per_cpu_s = 0, fraction_of_limit = 0, living = 0, flops = 0, matrix_gflops = 0;
  int64_t saved_bytes = 0, resident_bytes = 0, updates = 0;
};

/// A row of the table.
struct Row {
  std::string name;
  CharacterSetting setting;
  double limit = 0;  // 0: the core has none
  std::unique_ptr<CharacterModel> model;
  std::vector<double> rates, matrix_rates;
  int64_t saved_bytes = 0;
  bool keeps_memory = true;  ///< false: measured by a process of its own, with the allocator as a program finds it
  Figures figures;

  std::string CoreName() const {
    return !setting.published ? setting.core.name : keeps_memory ? "published, kept" : "published";
  }
  bool IsBfloat16() const { return setting.dtype == torch::kBFloat16; }
  double SpanFraction() const {
    double sum = 0;
    for (const double f : setting.span_fraction) sum += f;
    return sum / static_cast<double>(setting.span_fraction.size());
  }
};

/// Rows measured in turn, so that whatever else the machine does hurts them alike. The first is what others are
/// compared with.
struct Group {
  std::string ratio_to;  // what the first row stands for
  std::vector<Row> rows;
};

/// What the command line decides.
struct Plan {
  agents::CoreChoice core;
  std::vector<std::string> parts;
  int64_t batch = 8, block = 256;
  int threads = 1;
  double seconds = 4;
  bool published_alone = false;     ///< this is the process that measures nothing else
  std::vector<std::string> repeat;  ///< the command line's flags and overrides, for that process

  bool Has(const char* part) const { return std::find(parts.begin(), parts.end(), part) != parts.end(); }
};

const std::vector<std::string>& Parts() {
  static const std::vector<std::string> parts = {"spans", "uneven", "long", "bfloat16", "step"};
  return parts;
}

/// Configuration A, as far as a core has such options.
class ConfigurationA : public memory::OptionVisitor {
 public:
  void operator()(const char* name, int64_t& value, double, double, const char*) override {
    const std::string option = name;
    if (option == "dim") value = 256;
    if (option == "layers" || option == "heads") value = 4;
    if (option == "ffn") value = 1024;
    if (option == "memory_length") value = 4096;
  }
  void operator()(const char* name, double& value, double, double, const char*) override {
    const std::string option = name;
    if (option == "span_limit") value = 4096;
    if (option == "ramp") value = 64;
  }
  void operator()(const char*, bool&, const char*) override {}
  void operator()(const char*, std::string&, const std::vector<std::string>&, const char*) override {}
};

agents::CoreChoice ReadCore(const CommandLine& line) {
  agents::CoreChoice core;
  core.name = line.Text("core", core.name);
  AsUserError([&] { core.Set(core.name); });
  ConfigurationA sizes;
  core.options->Visit(sizes);
  configs::Document document;
  for (const std::string& assignment : line.overrides()) document.Override(assignment);
  configs::Options options;
  options.Section(
      "memory", [&](configs::Options& s) { core.Visit(s); }, "memory");
  AsUserError([&] {
    options.Read(document);
    core.options->Check();
  });
  // Rows pin the spans of a core of their own making, which has no front.
  if (const std::string front = memory::FrontOf(*core.options); front != "none")
    throw UserError(fmt::format("memory.front: got {}, allowed with bench memory: none", front));
  return core;
}

Plan ReadPlan(const CommandLine& line) {
  Plan plan;
  plan.core = ReadCore(line);
  plan.batch = line.Integer("batch", 8, 1, 4096);
  plan.block = line.Integer("block", 256, 1, 65536);
  plan.threads = static_cast<int>(line.Integer("threads", 1, 1, 1024));
  plan.seconds = line.Number("seconds", 4, 0.001, 1e6);
  plan.parts.assign(line.words().begin() + 1, line.words().end());
  plan.published_alone = line.Has("published");
  plan.repeat = {"--published", "--json"};
  for (const char* flag : {"batch", "block", "threads", "seconds"})
    if (line.Has(flag)) plan.repeat.insert(plan.repeat.end(), {fmt::format("--{}", flag), line.Text(flag)});
  plan.repeat.insert(plan.repeat.end(), line.overrides().begin(), line.overrides().end());
  for (const std::string& part : plan.parts)
    if (std::find(Parts().begin(), Parts().end(), part) == Parts().end())
      throw UserError(fmt::format("bench memory: no rows `{}`; allowed: {}{}", part, fmt::join(Parts(), ", "),
                                  configs::DidYouMean(part, Parts())));
  const bool is_expire_span = plan.core.name == "expire_span";
  if (!is_expire_span && !plan.parts.empty() && plan.parts != std::vector<std::string>{"spans"})
    throw UserError(fmt::format("bench memory: rows of `{}` are `spans` only", plan.core.name));
  if (plan.published_alone) {
    if (!is_expire_span) throw UserError("bench memory: --published is expire_span's");
    const auto has_none = [](const std::string& part) { return part != "spans" && part != "uneven"; };
    if (std::any_of(plan.parts.begin(), plan.parts.end(), has_none))
      throw UserError("bench memory: --published has the rows `spans` and `uneven` only");
    if (plan.parts.empty()) plan.parts = {"spans", "uneven"};
  }
  if (plan.parts.empty()) plan.parts = is_expire_span ? Parts() : std::vector<std::string>{"spans"};
  return plan;
}

CharacterSetting SettingOf(const Plan& plan, std::vector<double> fractions) {
  CharacterSetting setting;
  setting.core = plan.core;
  setting.block = plan.block;
  setting.span_fraction = std::move(fractions);
  return setting;
}

std::vector<double> Even(const Plan& plan, double fraction) {
  return std::vector<double>(static_cast<size_t>(plan.batch), fraction);
}

Row RowOf(std::string name, const CharacterSetting& setting) {
  Row row;
  row.name = std::move(name);
  row.setting = setting;
  if (const auto* o = dynamic_cast<const memory::ExpireSpanOptions*>(setting.core.options.get()))
    row.limit = o->span_limit;
  return row;
}

/// The same setting computed by the published algorithm, in front, and by ours. Tensors of the published algorithm are
/// so large that it runs several times faster where freed memory is kept, as this program keeps it: it is measured both
/// ways, first as it would run elsewhere.
Group AgainstPublished(const std::string& name, const CharacterSetting& setting, bool published_alone) {
  CharacterSetting published = setting;
  published.published = true;
  Group group{"published", {}};
  group.rows.push_back(RowOf(name, published));
  group.rows.back().keeps_memory = false;
  if (published_alone) return group;
  group.rows.push_back(RowOf(name, published));
  group.rows.push_back(RowOf(name, setting));
  return group;
}

/// Transformer-XL with the same layers, which remembers all that Expire-Span may.
Row TransformerXlRow(const std::string& name, const Plan& plan) {
  const auto& ours = dynamic_cast<const memory::ExpireSpanOptions&>(*plan.core.options);
  Plan xl = plan;
  xl.core = {};
  xl.core.Set("transformer_xl");
  configs::Document document;
  for (const auto& [option, value] : std::vector<std::pair<std::string, double>>{{"dim", ours.dim},
                                                                                 {"layers", ours.layers},
                                                                                 {"heads", ours.heads},
                                                                                 {"ffn", ours.ffn},
                                                                                 {"memory_length", ours.span_limit}})
    document.Override(fmt::format("memory.{}={:.0f}", option, value));
  configs::Options options;
  options.Section(
      "memory", [&](configs::Options& s) { xl.core.Visit(s); }, "memory");
  options.Read(document);
  Row row = RowOf(name, SettingOf(xl, Even(plan, 1)));
  row.limit = ours.span_limit;
  return row;
}

bool HasTransformerXl() {
  const auto names = memory::CoreNames();
  return std::find(names.begin(), names.end(), "transformer_xl") != names.end();
}

/// Another limit with the same spans in steps. Options are shared between settings, so it takes a copy.
CharacterSetting WithLimit(CharacterSetting setting, double times) {
  auto options = std::make_shared<memory::ExpireSpanOptions>(
      dynamic_cast<const memory::ExpireSpanOptions&>(*setting.core.options));
  options->span_limit *= times;
  setting.core.options = options;
  for (double& fraction : setting.span_fraction) fraction /= times;
  return setting;
}

std::vector<Group> GroupsOf(const Plan& plan) {
  std::vector<Group> groups;
  if (plan.core.name != "expire_span") {
    groups.push_back({"", {}});
    groups.back().rows.push_back(RowOf("spans", SettingOf(plan, Even(plan, 1))));
    return groups;
  }
  for (const double fraction : {0.1, 0.5, 1.0})
    if (plan.Has("spans"))
      groups.push_back(AgainstPublished("spans", SettingOf(plan, Even(plan, fraction)), plan.published_alone));
  if (plan.Has("spans") && !plan.published_alone && HasTransformerXl())
    groups.back().rows.push_back(TransformerXlRow("spans", plan));
  if (plan.Has("uneven")) {
    std::vector<double> fractions = Even(plan, 0.1);
    fractions[0] = 1;
    groups.push_back(AgainstPublished("uneven", SettingOf(plan, fractions), plan.published_alone));
  }
  const CharacterSetting short_spans = SettingOf(plan, Even(plan, 0.1));
  if (plan.Has("long")) {
    Group group{"limit", {}};
    group.rows.push_back(RowOf("long", short_spans));
    group.rows.push_back(RowOf("long", WithLimit(short_spans, kLongLimit)));
    groups.push_back(std::move(group));
  }
  for (const double fraction : {0.1, 0.5, 1.0}) {
    if (!plan.Has("bfloat16")) break;
    CharacterSetting setting = SettingOf(plan, Even(plan, fraction));
    Group group{"float32", {}};
    group.rows.push_back(RowOf("bfloat16", setting));
    setting.dtype = torch::kBFloat16;
    group.rows.push_back(RowOf("bfloat16", setting));
    groups.push_back(std::move(group));
  }
  return groups;
}

/// Counts what is saved, which warms up too. Once per row.
void Prepare(Row& row) {
  row.model = std::make_unique<CharacterModel>(row.setting);
  row.saved_bytes = row.model->CountSavedBytes();
}

/// Rows in turn until each has its time.
void MeasureInTurn(const std::vector<Row*>& rows, const Plan& plan) {
  if (rows.empty()) return;
  const double matrix_seconds = std::min(0.1, plan.seconds);
  const auto is_over = [&] {
    double spent = 0;
    for (const Row* row : rows)
      for (const double rate : row->rates) spent += static_cast<double>(row->model->characters()) / rate;
    return rows.back()->rates.size() >= kLeastUpdates && spent >= plan.seconds * static_cast<double>(rows.size());
  };
  for (Row* row : rows) row->model->Update();  // finds or makes its place in memory
  while (!is_over() && !StopSignals::Requested()) {
    for (Row* row : rows) {
      row->matrix_rates.push_back(MeasureMatrixRatePerCpuSecond(matrix_seconds / 2, row->IsBfloat16()));
      const double start = ProcessCpuSeconds();
      row->model->Update();
      row->rates.push_back(static_cast<double>(row->model->characters()) / (ProcessCpuSeconds() - start));
      row->matrix_rates.push_back(MeasureMatrixRatePerCpuSecond(matrix_seconds / 2, row->IsBfloat16()));
    }
  }
}

/// A row of the published algorithm among those of all parts.
std::string KeyOf(const std::string& name, double span_fraction) { return fmt::format("{} {}", name, span_fraction); }

/// What the measurements of a row say.
Figures FiguresOf(const Row& row) {
  const double rate = Median(row.rates), matrix_rate = Median(row.matrix_rates), flops = row.model->FlopsPerCharacter();
  return {rate,
          rate * flops / matrix_rate,
          row.model->living(),
          flops,
          matrix_rate / 1e9,
          row.saved_bytes,
          row.model->resident_bytes(),
          static_cast<int64_t>(row.rates.size())};
}

/// The published algorithm as it runs where nobody tells the allocator to keep what is freed: in a process of its own,
/// since what this one has allocated before would decide about its speed. One line of JSON per row of this part.
std::vector<nlohmann::json> RunPublishedAlone(const std::string& part, const Plan& plan) {
  std::vector<std::string> words = {OwnPath().string(), "bench", "memory", part};
  words.insert(words.end(), plan.repeat.begin(), plan.repeat.end());
  const ProgramOutcome outcome = RunProgram(words);
  if (StopSignals::Requested()) return {};
  if (!outcome.succeeded)
    throw std::runtime_error("bench memory: the process that measures `published` ended early: " +
                             LastLine(outcome.printed));
  std::vector<nlohmann::json> lines;
  std::istringstream printed(outcome.printed);
  for (std::string line; std::getline(printed, line);)
    if (line.starts_with("{")) lines.push_back(nlohmann::json::parse(line));  // the rest are warnings
  return lines;
}

Figures FiguresOf(const nlohmann::json& line) {
  return {
      line.at("chars_per_cpu_s"), line.at("fraction_of_limit"), line.at("living_memories"), line.at("flops_per_char"),
      line.at("matrix_gflops"),   line.at("saved_bytes"),       line.at("resident_bytes"),  line.at("updates")};
}

/// How much faster than another row of its group: pair by pair where both were measured in turn.
double Ratio(const Row& to, const Row& row) {
  if (to.keeps_memory != row.keeps_memory) return row.figures.chars_per_cpu_s / to.figures.chars_per_cpu_s;
  std::vector<double> ratios;
  for (size_t i = 0; i < row.rates.size(); ++i) ratios.push_back(row.rates[i] / to.rates[i]);
  return ratios.empty() ? 1 : Median(ratios);
}

std::string ToJson(const Group& group, const Row& row) {
  nlohmann::ordered_json json;
  json["row"] = row.name;
  json["core"] = row.CoreName();
  json["limit"] = row.limit;
  json["span_fraction"] = row.SpanFraction();
  json["dtype"] = row.IsBfloat16() ? "bfloat16" : "float32";
  const Figures& f = row.figures;
  json["chars_per_cpu_s"] = f.chars_per_cpu_s;
  json["saved_bytes"] = f.saved_bytes;
  json["fraction_of_limit"] = f.fraction_of_limit;
  json["living_memories"] = f.living;
  json["resident_bytes"] = f.resident_bytes;
  json["flops_per_char"] = f.flops;
  json["matrix_gflops"] = f.matrix_gflops;
  json["updates"] = f.updates;
  json["keeps_freed_memory"] = row.keeps_memory;
  if (!group.ratio_to.empty()) json["times_" + group.ratio_to] = Ratio(group.rows[0], row);
  return json.dump();
}

std::string SpeedText(const Group& group, const Row& row) {
  if (group.ratio_to.empty() || &row == &group.rows[0]) return "";
  const std::string ratio = fmt::format("{:.2f} x {}", Ratio(group.rows[0], row), group.ratio_to);
  const bool is_ours = group.ratio_to == "published" && !row.setting.published;
  return is_ours ? fmt::format("{}, {:.2f} x kept", ratio, Ratio(group.rows[1], row)) : ratio;
}

std::string ToText(const Group& group, const Row& row) {
  const Figures& f = row.figures;
  return fmt::format("{:<10}{:<16}{:>7.0f}{:>8.4g}{:>6}{:>9.1f}{:>9.0f}{:>9.1f}{:>9.1f}{:>6.2f}{:>10}{:>10}  {}",
                     row.name, row.CoreName(), row.limit, 100 * row.SpanFraction(), row.IsBfloat16() ? "bf16" : "f32",
                     f.living, f.chars_per_cpu_s, f.flops / 1e6, f.matrix_gflops, f.fraction_of_limit,
                     FormatBytes(static_cast<double>(f.saved_bytes)),
                     FormatBytes(static_cast<double>(f.resident_bytes)), SpeedText(group, row));
}

constexpr const char* kNames[] = {"row",    "core",  "limit",   "span %", "type",  "living",
                                  "char/s", "MFLOP", "GFLOP/s", "of",     "saved", "resident"};

void PrintHeader() {
  fmt::print("{:<10}{:<16}{:>7}{:>8}{:>6}{:>9}{:>9}{:>9}{:>9}{:>6}{:>10}{:>10}  {}\n", kNames[0], kNames[1], kNames[2],
             kNames[3], kNames[4], kNames[5], kNames[6], kNames[7], kNames[8], kNames[9], kNames[10], kNames[11],
             "speed");
}

/// Rows of the group that this process measures, in turn.
void Measure(Group& group, const Plan& plan) {
  std::vector<Row*> rows;
  for (Row& row : group.rows)
    if (row.keeps_memory || plan.published_alone) rows.push_back(&row);
  for (Row* row : rows) Prepare(*row);
  MeasureInTurn(rows, plan);
  if (StopSignals::Requested()) return;
  for (Row* row : rows) row->figures = FiguresOf(*row);
}

/// One group after the other, each given back before the next: the published algorithm needs gigabytes.
void RunGroup(Group group, const Plan& plan, const std::map<std::string, Figures>& published, bool json) {
  at::set_num_threads(plan.threads);
  try {
    Measure(group, plan);
  } catch (const std::exception& error) {
    if (group.ratio_to != "float32") throw;
    if (!json) fmt::print("bfloat16  not measured: {}\n", FirstLine(error.what()));
    return;
  }
  if (StopSignals::Requested()) return;
  for (Row& row : group.rows) {
    if (!row.keeps_memory && !plan.published_alone) row.figures = published.at(KeyOf(row.name, row.SpanFraction()));
  }
  for (const Row& row : group.rows) fmt::print("{}\n", json ? ToJson(group, row) : ToText(group, row));
  std::fflush(stdout);
}

void RunStep(const Plan& plan, bool json) {
  constexpr int64_t kRows = 64;
  for (const int64_t living : {8, 32, 190}) {
    const StepRate rate = MeasureStepRate(kRows, living, plan.seconds / 3);
    if (json) {
      nlohmann::ordered_json line;
      line["row"] = "step", line["core"] = "expire_span", line["rows"] = kRows, line["living_memories"] = living;
      line["us_per_row"] = rate.fused.step, line["operator_us_per_row"] = rate.operators.step;
      line["unroll_us_per_row"] = rate.fused.unroll, line["operator_unroll_us_per_row"] = rate.operators.unroll;
      fmt::print("{}\n", line.dump());
    } else {
      fmt::print(
          "step      expire_span     {} rows, {:>3} living, width 64, 2 layers: {:.2f} us a row, {:.2f} with begin and "
          "end of the unroll; in operators {:.2f} and {:.2f}\n",
          kRows, living, rate.fused.step, rate.fused.unroll, rate.operators.step, rate.operators.unroll);
    }
    if (StopSignals::Requested()) return;
  }
}

}  // namespace

int BenchMemory(const CommandLine& line) {
  const Plan plan = ReadPlan(line);
  const StopSignals signals;
  const bool json = line.Has("json");
  if (plan.published_alone) ReturnFreedMemory();
  std::vector<Group> groups = GroupsOf(plan);
  if (!json && !groups.empty()) PrintHeader();
  std::map<std::string, Figures> published;
  std::set<std::string> measured_alone;
  for (Group& group : groups) {
    const std::string part = group.rows[0].name;
    if (group.ratio_to == "published" && !plan.published_alone && measured_alone.insert(part).second)
      for (const nlohmann::json& row : RunPublishedAlone(part, plan))
        published[KeyOf(row.at("row"), row.at("span_fraction"))] = FiguresOf(row);
    if (!StopSignals::Requested()) RunGroup(std::move(group), plan, published, json);
    if (StopSignals::Requested()) return 128 + StopSignals::Received();
  }
  if (plan.Has("step")) RunStep(plan, json);
  return 0;
}

}  // namespace lethe::tools
