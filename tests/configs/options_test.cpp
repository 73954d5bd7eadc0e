#include "configs/options.h"

#include <functional>
#include <limits>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/configs/error_text.h"
#include "tests/configs/example_program.h"

namespace lethe::configs {
namespace {

TEST(Options, AssignsEveryType) {
  ExampleProgram program;
  program.Read({"seed=1e6", "name=first run", "train.lr=0.25", "train.unroll_length=8", "train.optimizer=rmsprop",
                "train.normalize=false"});
  EXPECT_EQ(program.seed, 1'000'000);
  EXPECT_EQ(program.name, "first run");
  EXPECT_EQ(program.train.lr, 0.25);
  EXPECT_EQ(program.train.unroll_length, 8);
  EXPECT_EQ(program.train.optimizer, "rmsprop");
  EXPECT_FALSE(program.train.normalize);
}

TEST(Options, LeavesOutWhatTheDocumentLeavesOut) {
  ExampleProgram program;
  program.Read({});
  EXPECT_EQ(program.seed, 1);
  EXPECT_EQ(program.train.lr, 1e-3);
}

TEST(Options, ReadsAllOrNothing) {
  ExampleProgram program;
  EXPECT_THROW(program.Read({"seed=2", "train.lr=7"}), OptionError);
  EXPECT_EQ(program.seed, 1);
}

TEST(Options, TakesValuesOfTheCommandLineAsTheyStand) {
  ExampleProgram program;
  program.Read({"name=a=b: # \"c\""});
  EXPECT_EQ(program.name, "a=b: # \"c\"");
  program.Read({"name="});
  EXPECT_EQ(program.name, "");
}

TEST(Options, RefusesWrongAssignmentsWithACompleteMessage) {
  const std::pair<const char*, const char*> cases[] = {
      {"seed", "command line: seed: expected key=value, for example seed=7"},
      {"=5", "command line: =5: no key before `=`, expected key=value, for example seed=7"},
      {"", "command line: : expected key=value, for example seed=7"},
      {"name=\xFF", "command line: an argument is not valid UTF-8"},
      {"seed=", "command line: seed=: key `seed`: got ``, a number is missing; allowed integer, >= 0"},
      {"seed=010",
       "command line: seed=010: key `seed`: got `010`, a number has no leading zeros; allowed integer, >= 0"},
      {"seed=-1", "command line: seed=-1: key `seed`: got -1, allowed integer, >= 0"},
      {"seed=1.5", "command line: seed=1.5: key `seed`: got `1.5`, not an integer; allowed integer, >= 0"},
      {"seed=\"1\"", "command line: seed=\"1\": key `seed`: got `\"1\"`, not a number; allowed integer, >= 0"},
      {"train.lr=5", "command line: train.lr=5: key `train.lr`: got 5, allowed 0..1"},
      {"train.unroll_length=3000000000",
       "command line: train.unroll_length=3000000000: key `train.unroll_length`: got `3000000000`, beyond the range of "
       "a 32-bit integer; allowed integer, "
       "1..1024"},
      {"train.normalize=yes",
       "command line: train.normalize=yes: key `train.normalize`: got `yes`, not a truth value; allowed true or false"},
      {"train.optimizer=adm",
       "command line: train.optimizer=adm: key `train.optimizer`: got `adm`, allowed adam or rmsprop; did you mean "
       "`adam`?"},
      {"train=1", "command line: train=1: key `train`: is a section, its options are set one by one (train.lr=...)"},
      {"sede=1", "command line: sede=1: key `sede`: unknown; did you mean `seed`?"},
      {"unroll_lenght=1",
       "command line: unroll_lenght=1: key `unroll_lenght`: unknown; did you mean `train.unroll_length`?"},
      {"trian.lr=1", "command line: trian.lr=1: key `trian.lr`: unknown; did you mean `train.lr`?"},
      {"train.seed=1", "command line: train.seed=1: key `train.seed`: unknown; did you mean `seed`?"},
      {"train.foo=1",
       "command line: train.foo=1: key `train.foo`: unknown; known here: lr, unroll_length, optimizer, normalize"},
      {"foo.bar=1", "command line: foo.bar=1: key `foo.bar`: unknown; known at the top: seed, name, train"},
      {"seed.x=1", "command line: seed.x=1: key `seed.x`: unknown; known at the top: seed, name, train"},
  };
  for (const auto& [assignment, message] : cases) {
    ExampleProgram program;
    EXPECT_EQ(ErrorText<OptionError>([&, text = assignment] { program.Read({text}); }), message);
  }
}

TEST(Options, RefusesAnAssignmentGivenTwice) {
  ExampleProgram program;
  EXPECT_EQ(ErrorText<OptionError>([&] {
              program.Read({"seed=1", "seed=2"});
            }),
            "command line: seed=2: key `seed` is given twice on the command line");
}

TEST(Options, ReadKnownLeavesOtherKeysAlone) {
  Document document;
  document.Override("env.id=Corridor-v0");
  document.Override("env.length_min=9");
  std::string id = "";
  Options first;
  first.Section(
      "env", [&](Options& env) { env("id", id, Any{}, "environment"); }, "the world");
  first.ReadKnown(document);
  EXPECT_EQ(id, "Corridor-v0");
  EXPECT_THROW(first.Read(document), OptionError);
}

TEST(Options, MergesSectionsOfOneName) {
  int width = 1, height = 2;
  Options options;
  options.Section(
      "grid", [&](Options& o) { o("width", width, Any{}, "columns"); }, "the grid");
  options.Section(
      "grid", [&](Options& o) { o("height", height, Any{}, "rows"); }, "ignored");
  EXPECT_EQ(options.ToYaml(), "grid:  # the grid\n  width: 1   # columns\n  height: 2  # rows\n");
}

TEST(Options, TakesPolymorphicSections) {
  struct Shape {
    virtual ~Shape() = default;
    virtual void Visit(Options& options) = 0;
  };
  struct Square : Shape {
    double side = 2;
    void Visit(Options& options) override { options("side", side, Range{0}, "length of a side"); }
  } square;
  Shape& shape = square;
  Options options;
  options.Section("shape", shape, "what to draw");
  Document document;
  document.Override("shape.side=3");
  options.Read(document);
  EXPECT_EQ(square.side, 3);
}

TEST(Options, NestsSections) {
  int heads = 4;
  Options options;
  const auto attention = [&](Options& o) { o("heads", heads, Range{1, 64}, "attention heads"); };
  options.Section(
      "policy", [&](Options& o) { o.Section("memory", attention, "what it remembers"); }, "who acts");
  EXPECT_EQ(options.ToYaml(),
            "policy:  # who acts\n"
            "  memory:  # what it remembers\n"
            "    heads: 4  # attention heads [integer, 1..64]\n");
  Document document;
  document.Override("policy.memory.heads=8");
  options.Read(document);
  EXPECT_EQ(heads, 8);
}

TEST(Options, WritesEveryOptionWithItsMeaning) {
  ExampleProgram program;
  program.Read({"name=a b", "train.lr=0.1"});
  EXPECT_EQ(program.options.ToYaml(),
            "seed: 1      # seed of every random stream [integer, >= 0]\n"
            "name: \"a b\"  # name of the run\n"
            "\n"
            "train:  # learning\n"
            "  lr: 0.1            # learning rate [0..1]\n"
            "  unroll_length: 32  # steps of a rollout [integer, 1..1024]\n"
            "  optimizer: adam    # how gradients become steps [adam or rmsprop]\n"
            "  normalize: true    # normalise advantages\n");
}

TEST(Options, HelpIsATableOfDefaults) {
  ExampleProgram program;
  program.Read({"seed=5"});
  EXPECT_EQ(program.options.Help(),
            "option               default  allowed           meaning\n"
            "seed                 1        integer, >= 0     seed of every random stream\n"
            "name                 \"\"       any text          name of the run\n"
            "\n"
            "train: learning\n"
            "train.lr             0.001    0..1              learning rate\n"
            "train.unroll_length  32       integer, 1..1024  steps of a rollout\n"
            "train.optimizer      adam     adam or rmsprop   how gradients become steps\n"
            "train.normalize      true     true or false     normalise advantages\n");
}

TEST(Options, HelpWrapsLongTexts) {
  std::string id = "Corridor-v0";
  const std::string meaning =
      "the first half of a rather long explanation that goes on and on, and the second half of it too, at last";
  Options options;
  options("id", id, OneOf{{"Corridor-v0", "Corridor-1k-v0", "Corridor-10k-v0"}}, meaning.c_str());
  EXPECT_EQ(options.Help(),
            "option  default      allowed  meaning\n"
            "id      Corridor-v0  Corridor-v0, Corridor-1k-v0 or Corridor-10k-v0\n"
            "                              the first half of a rather long explanation that goes on and on, and the "
            "second half of it\n"
            "                              too, at last\n");
}

TEST(Options, RefusesWrongBindings) {
  int number = 5;
  double real = std::numeric_limits<double>::infinity();
  std::string word = "x";
  const std::pair<std::function<void(Options&)>, const char*> cases[] = {
      {[&](Options& o) { o("a", number, Any{}, ""), o("a", number, Any{}, ""); }, "option `a`: the name is taken"},
      {[&](Options& o) { o("A-b", number, Any{}, ""); }, "option `A-b`: a name has letters a to z, digits and _"},
      {[&](Options& o) { o("", number, Any{}, ""); }, "option ``: a name has letters"},
      {[&](Options& o) {
         o("a", number, Range{0, 1}, "");
       },
       "option `a`: its default is not allowed: got 5, allowed integer, 0..1"},
      {[&](Options& o) { o("a", real, Any{}, ""); },
       "option `a`: its default is not allowed: got inf, allowed any number"},
      {[&](Options& o) { o("a", word, OneOf{{"y"}}, ""); },
       "option `a`: its default is not allowed: got `x`, allowed y"},
      {[&](Options& o) { o("a", number, Any{}, "two\nlines"); }, "option `a`: the meaning must be one line"},
      {[&](Options& o) {
         o("a", number, Any{}, ""), o.Section(
                                        "a", [](Options&) {}, "");
       },
       "option `a`: the name is taken"},
      {[&](Options& o) {
         o.Section(
             "a", [](Options&) {}, ""),
             o("a", number, Any{}, "");
       },
       "option `a`: the name is taken"},
  };
  for (const auto& [bind, message] : cases) {
    Options options;
    const std::string error = ErrorText<std::logic_error>([&, &bind = bind] { bind(options); });
    EXPECT_EQ(error.substr(0, std::string(message).size()), message);
  }
}

TEST(Options, CanBeCopied) {
  ExampleProgram program;
  const Options copy = program.options;
  EXPECT_EQ(copy.ToYaml(), program.options.ToYaml());
}

TEST(Document, FindsTextsAndPlaces) {
  Document document;
  document.Override("env.id=Corridor-v0");
  EXPECT_EQ(document.Find("env.id"), "Corridor-v0");
  EXPECT_EQ(document.Where("env.id"), "command line: env.id=Corridor-v0");
  EXPECT_EQ(document.Find("env"), std::nullopt);
  EXPECT_EQ(document.Where("env"), "");
}

}  // namespace
}  // namespace lethe::configs
