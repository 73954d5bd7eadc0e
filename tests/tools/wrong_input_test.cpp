// Wrong input at the program's border: exit code 2 and one line on stderr that says what, where, and what is allowed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/tools/program.h"

namespace lethe {
namespace {

using tests::RunLethe;
using tests::TemporaryFolder;

struct WrongInput {
  std::string name;
  std::vector<std::string> words;  ///< TINY stands for the tiny config file; FILE for a file with the content below
  std::string message;             ///< part of the line
  std::string content = "";
};

std::ostream& operator<<(std::ostream& out, const WrongInput& input) { return out << input.name; }

class WrongInputTest : public testing::TestWithParam<WrongInput> {};

TEST_P(WrongInputTest, IsRefusedInOneLine) {
  const WrongInput& input = GetParam();
  const TemporaryFolder folder;
  std::ofstream(folder / "file.yaml", std::ios::binary) << input.content;
  std::vector<std::string> words = input.words;
  for (std::string& word : words) {
    if (word == "TINY") word = LETHE_TEST_DATA "/configs/tiny.yaml";
    if (word == "FILE") word = "file.yaml";
  }
  const auto ended = RunLethe(folder.path(), words);
  EXPECT_EQ(ended.exit_code, 2) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, testing::StartsWith("lethe: "));
  EXPECT_THAT(ended.err, testing::HasSubstr(input.message));
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_EQ(folder.NumEntries(), 1u) << "nothing may be left behind";
}

std::string TooLong() { return "# " + std::string(1'000'000, 'x') + "\n"; }

const std::vector<WrongInput> kInputs = {
    // commands and flags
    {"Command", {"trian"}, "unknown command `trian`; did you mean `train`?"},
    {"FarCommand", {"frobnicate"}, "`lethe help` lists them"},
    {"HelpOfNothing", {"help", "evla"}, "did you mean `eval`?"},
    {"HelpOptionsOfNoEnvironment", {"help", "options", "Corridor"}, "did you mean `Corridor-v0`?"},
    {"Flag", {"train", "TINY", "--run_dir", "x"}, "unknown flag `--run_dir`; did you mean `--run-dir`?"},
    {"FlagWithoutValue", {"train", "TINY", "--run-dir"}, "--run-dir needs a value"},
    {"FlagTwice", {"train", "TINY", "--quiet", "--quiet"}, "--quiet is given twice"},
    {"SwitchWithValue", {"train", "TINY", "--quiet=1"}, "--quiet takes no value"},
    {"ShortFlag", {"train", "TINY", "-q"}, "unknown flag `-q`"},
    {"NoConfig", {"train"}, "train needs a config file"},
    {"TwoConfigs", {"train", "TINY", "b.yaml"}, "unexpected `b.yaml`"},
    {"BenchOfAFront",
     {"bench", "memory", "memory.front=gru"},
     "memory.front: got gru, allowed with bench memory: none"},
    {"OptionWithoutEqualsSign", {"train", "TINY", "memory.dim", "32"}, "options of a run are written key=value"},
    // option values on the command line
    {"UnknownKey", {"train", "TINY", "memory.span_limt=5"}, "did you mean `memory.span_limit`?"},
    {"UnknownSection", {"train", "TINY", "memmory.dim=5"}, "did you mean `memory.dim`?"},
    {"WrongType", {"train", "TINY", "memory.dim=wide"}, "key `memory.dim`"},
    {"OutOfRange", {"train", "TINY", "train.discount=1.5"}, "allowed 0..1"},
    {"Octal", {"train", "TINY", "seed=010"}, "key `seed`"},
    {"Fraction", {"train", "TINY", "train.num_envs=2.5"}, "key `train.num_envs`"},
    {"NotANumber", {"train", "TINY", "train.discount=nan"}, "key `train.discount`"},
    {"EmptyValue", {"train", "TINY", "seed="}, "seed"},
    {"OverrideTwice", {"train", "TINY", "seed=1", "seed=2"}, "given twice"},
    {"DeviceTwice", {"train", "TINY", "device=cpu", "--device", "cpu"}, "given twice"},
    {"Word", {"train", "TINY", "optimizer.kind=adamw"}, "allowed adam or rmsprop"},
    {"Environment", {"train", "TINY", "env.id=Coridor-v0"}, "did you mean `Corridor-v0`?"},
    {"HeadsDoNotDivide", {"train", "TINY", "memory.heads=3"}, "allowed: a divisor of dim = 16"},
    {"RowsDoNotDivide", {"train", "TINY", "train.num_envs=7"}, "a multiple of train.actors = 2"},
    {"CurriculumBeyondTheEnd", {"train", "TINY", "curriculum.start=6"}, "env.length_max"},
    {"EnvironmentRule", {"train", "TINY", "env.length_min=9"}, "length_max is 5; allowed: >= length_min, 9"},
    {"NothingToDo", {"train", "TINY", "train.max_steps=0"}, "there is nothing to do"},
    // files
    {"MissingFile", {"train", "nowhere.yaml"}, "nowhere.yaml"},
    {"FolderAsFile", {"train", "."}, "."},
    {"UnknownKeyInFile", {"train", "FILE"}, "file.yaml:2:3: ", "memory:\n  dimm: 5\n"},
    {"DuplicateKey", {"train", "FILE"}, "file.yaml:2:1: ", "seed: 1\nseed: 2\n"},
    {"Alias", {"train", "FILE"}, "file.yaml:1:7: ", "seed: &x 1\n"},
    {"SelfAlias", {"train", "FILE"}, "file.yaml:1:", "train: &x\n  y: *x\n"},
    {"OctalInFile", {"train", "FILE"}, "file.yaml:1:7: ", "seed: 010\n"},
    {"InvalidUtf8", {"train", "FILE"}, "file.yaml:1:", "seed: \xff\n"},
    {"Tab", {"train", "FILE"}, "file.yaml:2:", "memory:\n\tdim: 5\n"},
    {"List", {"train", "FILE"}, "file.yaml:1:", "seed: [1, 2]\n"},
    {"TooLong", {"train", "FILE"}, "1000000", TooLong()},
    {"OutOfRangeInFile",
     {"train", "FILE"},
     "file.yaml:2:11: key `memory.layers`: got 0, allowed integer, 1..64",
     "memory:\n  layers: 0\n"},
    // runs
    {"ResumeOfNothing", {"train", "--resume", "--run-dir", "nowhere"}, "nowhere: no such run"},
    {"ResumeOfNoRun", {"train", "--resume", "--run-dir", "."}, "not a run"},
    {"ResumeWithoutName", {"train", "--resume"}, "--resume with --run-dir"},
    {"ResumeAndInit", {"train", "--resume", "--run-dir", "x", "--init-from", "y"}, "exclude each other"},
    {"InitFromNothing", {"train", "TINY", "--init-from", "nowhere"}, "nowhere: no such run"},
    {"InitFromMissingFile", {"train", "TINY", "--init-from", "nowhere.safetensors"}, "nowhere.safetensors"},
    {"EvalOfNothing", {"eval", "nowhere"}, "nowhere: no such run"},
    {"EvalWithoutRun", {"eval"}, "eval needs a run"},
    {"EvalOfNoEpisodes", {"eval", "x", "--episodes", "0"}, "--episodes: got 0, allowed: 1..1000000000"},
    {"EvalEpisodesText", {"eval", "x", "--episodes", "many"}, "--episodes: "},
    {"EvalThreads", {"eval", "x", "--threads", "0"}, "--threads: got 0"},
    {"ViewOfNothing",
     {"view", "--record", "x.png"},
     "view needs a run, an environment or a saved episode: view RUN|ID"},
    {"ViewOfUnknown",
     {"view", "nowhere", "--record", "x.png"},
     "`nowhere` is no run, no file and no environment; `lethe"},
    {"ViewMisspeltEnvironment", {"view", "Coridor-v0", "--record", "x.png"}, "did you mean `Corridor-v0`?"},
    {"ViewMissingRun", {"view", "runs/x", "--record", "x.png"}, "runs/x: no such run"},
    {"ViewOfThree", {"view", "a", "b", "c", "--record", "x.png"}, "unexpected `c`"},
    {"ViewEnvironments",
     {"view", "Corridor-v0", "Portal-v0", "--record", "x.png"},
     "Corridor-v0 plays Corridor-v0 and Portal-v0 plays Portal-v0"},
    {"ViewOption", {"view", "Corridor-v0", "length_mx=5", "--record", "x.png"}, "did you mean `length_max`?"},
    {"ViewLevels", {"view", "Corridor-v0", "length_min=9", "length_max=5", "--record", "x.png"}, "length_max is 5"},
    {"ViewSizeWord",
     {"view", "Corridor-v0", "--record", "x.png", "--size", "large"},
     "--size is large; allowed at scale 1: 480x320 to 8192x8192"},
    {"ViewSize",
     {"view", "Corridor-v0", "--record", "x.png", "--size", "100x800"},
     "--size is 100x800; allowed at scale 1: 480x320"},
    {"ViewSizeMore", {"view", "Corridor-v0", "--record", "x.png", "--size", "640x480x2"}, "--size is 640x480x2"},
    {"ViewScale", {"view", "Corridor-v0", "--record", "x.png", "--scale", "9"}, "--scale: got 9, allowed: 0.5..8"},
    {"ViewSpeed", {"view", "Corridor-v0", "--record", "x.png", "--speed", "0"}, "--speed: got 0, allowed: 1..512"},
    {"ViewSpeedWord", {"view", "Corridor-v0", "--record", "x.png", "--speed", "fast"}, "--speed: got `fast`"},
    {"ViewActions",
     {"view", "Corridor-v0", "--record", "x.png", "--actions", "best"},
     "--actions is best; allowed: sample, greedy, oracle or random"},
    {"ViewActionsWithoutPolicy",
     {"view", "Corridor-v0", "--record", "x.png", "--actions", "sample"},
     "--actions sample needs a run"},
    {"ViewStep", {"view", "Corridor-v0", "--record", "x.png", "--step", "-1"}, "--step: got -1, allowed: 0.."},
    {"ViewEpisode", {"view", "Corridor-v0", "--record", "x.png", "--episode", "4294967296"}, "0..4294967295"},
    {"ViewSeed", {"view", "Corridor-v0", "--record", "x.png", "--seed", "one"}, "--seed: got `one`"},
    {"ViewEpisodesWithoutRecord", {"view", "Corridor-v0", "--episodes", "2"}, "--episodes needs --record FILE"},
    {"ViewNoEpisodes",
     {"view", "Corridor-v0", "--record", "x.png", "--episodes", "0"},
     "--episodes: got 0, allowed: 1.."},
    {"ViewRecordAndSave",
     {"view", "Corridor-v0", "--record", "x.png", "--save-episode", "y.safetensors"},
     "--record and --save-episode exclude each other"},
    {"ViewFlag", {"view", "Corridor-v0", "--recrod", "x.png"}, "did you mean `--record`?"},
    {"PlayTwice", {"play", "Corridor-v0", "--window", "--text"}, "--window and --text exclude each other"},
    {"BenchOfNothing", {"bench"}, "allowed: envs, memory, train"},
    {"BenchOfWhat", {"bench", "eval"}, "allowed: envs, memory, train"},
    {"BenchMemoryRows", {"bench", "memory", "unevn"}, "did you mean `uneven`?"},
    {"BenchMemoryCore", {"bench", "memory", "--core", "nothing"}, "no memory core `nothing`, allowed: "},
    {"BenchMemoryOption", {"bench", "memory", "memory.dimm=8"}, "did you mean `memory.dim`?"},
    {"BenchMemoryHeads", {"bench", "memory", "memory.heads=3"}, "memory option `heads`: got 3"},
    {"BenchMemoryBatch", {"bench", "memory", "--batch", "0"}, "--batch: got 0, allowed: 1..4096"},
    {"BenchMemoryFlag", {"bench", "memory", "--living", "3"}, "--living does not belong to `lethe bench memory`"},
    {"EnvsOfNothing", {"envs", "Corridor-v1"}, "did you mean `Corridor-v0`?"},
    {"EnvsWithOption", {"envs", "Corridor-v0", "seed=1"}, "unexpected `seed=1`"},
    {"ReplayWithoutFile", {"envs", "replay"}, "envs replay needs a file"},
    {"ReplayOfMissingFile", {"envs", "replay", "nowhere.jsonl"}, "nowhere.jsonl"},
    {"ReplayOfNoEpisode", {"envs", "replay", "FILE"}, "file.yaml", "{}\n"},
    {"RecordOfNothing", {"envs", "record", "Coridor-v0"}, "did you mean `Corridor-v0`?"},
    {"RecordOption", {"envs", "record", "Corridor-v0", "colors=9"}, "allowed integer, 2..8"},
};

INSTANTIATE_TEST_SUITE_P(Table, WrongInputTest, testing::ValuesIn(kInputs),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lethe
