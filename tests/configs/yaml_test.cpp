// Reading YAML: what is accepted, and the exact message for everything that is not.
#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include <unistd.h>

#include <gtest/gtest.h>

#include "configs/document.h"
#include "tests/configs/error_text.h"
#include "tests/configs/example_program.h"

namespace lethe::configs {
namespace {

namespace fs = std::filesystem;

void Read(ExampleProgram& program, const std::string& text) {
  program.options.Read(Document::FromText(text, "a.yaml"));
}

std::string ErrorOf(const std::string& text) {
  ExampleProgram program;
  return ErrorText<OptionError>([&] { Read(program, text); });
}

struct WrongInput {
  const char* text;
  const char* message;  // without "a.yaml:"
};

void ExpectRefused(std::initializer_list<WrongInput> inputs) {
  for (const auto& [text, message] : inputs) EXPECT_EQ(ErrorOf(text), std::string("a.yaml:") + message) << text;
}

const char* const kUnreadable = "look at the indentation, and at text with `:` or `#`, which needs quotes";

TEST(YamlWrongInput, Keys) {
  ExpectRefused({
      {"sede: 1\n", "1:1: key `sede`: unknown; did you mean `seed`?"},
      {"train:\n  unrol_length: 1\n", "2:3: key `train.unrol_length`: unknown; did you mean `train.unroll_length`?"},
      {"trian:\n  lr: 1\n", "1:1: key `trian`: unknown; did you mean `train`?"},
      {"trian: {}\n", "1:1: key `trian`: unknown; did you mean `train`?"},
      {"lr: 1\n", "1:1: key `lr`: unknown; did you mean `train.lr`?"},
      {"train:\n  colour: 1\n",
       "2:3: key `train.colour`: unknown; known here: lr, unroll_length, optimizer, normalize"},
      {"colour: 1\n", "1:1: key `colour`: unknown; known at the top: seed, name, train"},
      {"train.lr: 1\n",
       "1:1: key `train.lr`: unknown; dotted names are for the command line, in a file write `train:` and "
       "below it, indented, `lr: ...`"},
      {"<<: {seed: 1}\n", "1:1: key `<<`: unknown; known at the top: seed, name, train"},
      {"seed: 1\nname: x\nseed: 2\n", "3:1: key `seed`: given twice, first at a.yaml:1:1"},
      {"train: {lr: 0.1}\ntrain: {lr: 0.2}\n", "2:1: key `train`: given twice, first at a.yaml:1:1"},
      {"train: {lr: 0.1, \"lr\": 0.2}\n", "1:18: key `train.lr`: given twice, first at a.yaml:1:9"},
      {"\"a\\e[31m\": 1\n", "1:1: key `a\\x1b[31m`: unknown; known at the top: seed, name, train"},
      {": 1\n", "1:1: a key is missing"},
      {"\"\": 1\n", "1:1: a key is missing"},
      {"? {x: 1}\n: 1\n", "1:3: a key must be a plain word"},
      {"? [x]\n: 1\n", "1:3: a key must be a plain word"},
  });
}

TEST(YamlWrongInput, Values) {
  ExpectRefused({
      {"train:\n  lr: 5\n", "2:7: key `train.lr`: got 5, allowed 0..1"},
      {"train:\n  lr: -0.1\n", "2:7: key `train.lr`: got -0.1, allowed 0..1"},
      {"train: {lr: fast}\n", "1:13: key `train.lr`: got `fast`, not a number; allowed 0..1"},
      {"train: {lr: .nan}\n", "1:13: key `train.lr`: got `.nan`, not a finite number; allowed 0..1"},
      {"train: {lr: inf}\n", "1:13: key `train.lr`: got `inf`, not a finite number; allowed 0..1"},
      {"train: {lr: 1e-999}\n", "1:13: key `train.lr`: got `1e-999`, beyond the range of a double; allowed 0..1"},
      {"seed: 010\n", "1:7: key `seed`: got `010`, a number has no leading zeros; allowed integer, >= 0"},
      {"seed: 0x10\n", "1:7: key `seed`: got `0x10`, numbers are decimal here; allowed integer, >= 0"},
      {"seed: 0o17\n", "1:7: key `seed`: got `0o17`, numbers are decimal here; allowed integer, >= 0"},
      {"seed: 1_000\n",
       "1:7: key `seed`: got `1_000`, not a number: digits stand without separators; allowed integer, >= 0"},
      {"seed: +1\n", "1:7: key `seed`: got `+1`, not a number: leave out the plus sign; allowed integer, >= 0"},
      {"seed: 1.5\n", "1:7: key `seed`: got `1.5`, not an integer; allowed integer, >= 0"},
      {"seed: 9223372036854775808\n",
       "1:7: key `seed`: got `9223372036854775808`, beyond the range of a 64-bit integer; allowed integer, >= 0"},
      {"seed: \"1\"\n", "1:7: key `seed`: got `1` in quotes, which is text; allowed integer, >= 0"},
      {"seed: 1# one\n",
       "1:7: key `seed`: got `1# one`, not a number: digits stand without separators; allowed integer, >= 0"},
      {"seed: 1\n  2\n",
       "1:7: key `seed`: got `1 2`, not a number: digits stand without separators; allowed integer, >= 0"},
      {"train: {normalize: yes}\n", "1:20: key `train.normalize`: got `yes`, not a truth value; allowed true or false"},
      {"train: {normalize: True}\n",
       "1:20: key `train.normalize`: got `True`, not a truth value; allowed true or false"},
      {"train: {normalize: 1}\n", "1:20: key `train.normalize`: got `1`, not a truth value; allowed true or false"},
      {"train: {normalize: 'true'}\n",
       "1:20: key `train.normalize`: got `true` in quotes, which is text; allowed true or false"},
      {"train: {optimizer: rmsporp}\n",
       "1:20: key `train.optimizer`: got `rmsporp`, allowed adam or rmsprop; did you mean `rmsprop`?"},
      {"train: {optimizer: sgd}\n", "1:20: key `train.optimizer`: got `sgd`, allowed adam or rmsprop"},
      {"name: ä\ntrain: {optimizer: ü, lr: x}\n", "2:20: key `train.optimizer`: got `ü`, allowed adam or rmsprop"},
      {"# ä\ntrain: {\"lr\": 0.1, optimizer: adam, normalize: ja} # ö\n",
       "2:48: key `train.normalize`: got `ja`, not a truth value; allowed true or false"},
      {"name: [ä, ö]\n", "1:7: key `name`: got a list, expected one value"},
      {"seed:\n  - 1\n", "2:3: key `seed`: got a list, expected one value"},
      {"seed: {a: 1}\n", "1:1: key `seed`: got a section, expected one value; allowed integer, >= 0"},
      {"train: 5\n", "1:8: key `train`: is a section, its options are set one by one (train.lr=...)"},
      {"seed:\nname: x\n", "1:1: key `seed`: has no value; write \"\" for an empty text, {} for an empty section"},
      {"train:\n  # lr: 1\n", "1:1: key `train`: has no value; write \"\" for an empty text, {} for an empty section"},
      {"name: ~\n", "1:1: key `name`: has no value; write \"\" for an empty text, {} for an empty section"},
      {"name: null\n", "1:1: key `name`: has no value; write \"\" for an empty text, {} for an empty section"},
      {"name: x\nseed:1\n", "2:1: key `seed:1`: has no value; a space must follow the colon"},
      {"name: \"a\\0b\"\n", "1:7: a text must not contain the character 0"},
  });
}

TEST(YamlWrongInput, Features) {
  ExpectRefused({
      {"seed: &a 1\n", "1:7: anchors (&name) are not supported"},
      {"train: &a {lr: 1}\n", "1:8: anchors (&name) are not supported"},
      {"&a seed: 1\n", "1:1: anchors (&name) are not supported"},
      {"seed: *a\n", "1:7: aliases (*name) are not supported; a text that begins with * needs quotes"},
      {"name: *.txt\n", "1:7: aliases (*name) are not supported; a text that begins with * needs quotes"},
      {"train: &t\n  lr: *t\n", "1:8: anchors (&name) are not supported"},
      {"seed: !!int 1\n", "1:7: tags (!name) are not supported"},
      {"name: ! x\n", "1:7: tags (!name) are not supported"},
      {"!!map\nseed: 1\n", "1:1: tags (!name) are not supported"},
      {"train: !t {lr: 1}\n", "1:8: tags (!name) are not supported"},
      {"%YAML 1.2\n---\nseed: 1\n", "1:1: directives (%NAME) are not supported"},
      {"%FOO bar\n---\nseed: 1\n", "1:1: directives (%NAME) are not supported"},
      {"seed: 1\n---\nname: x\n", "2:1: a second document starts here, expected one per file"},
      {"seed: 1\n...\nname: x\n", "3:1: a second document starts here, expected one per file"},
      {"---\n---\n", "2:1: a second document starts here, expected one per file"},
      {"- seed: 1\n", "1:1: expected `key: value` lines, got a list"},
      {"# only text\nhello\n", "2:1: expected `key: value` lines, got `hello`"},
      {"seed:1\n", "1:1: expected `key: value` lines, got `seed:1`"},
      {"a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", "1:32: nested deeper than 8 levels"},
  });
}

TEST(YamlWrongInput, Characters) {
  ExpectRefused({
      {"train:\n\tlr: 1\n", "2:1: a tab, expected spaces"},
      {"seed: 1\t# one\n", "1:8: a tab, expected spaces"},
      {"name: \xFF\n", "1:7: byte 0xFF is not valid UTF-8"},
      {"name: ü\xC3(\n", "1:8: byte 0xC3 is not valid UTF-8"},
      {"# \xED\xA0\x80\n", "1:3: byte 0xED is not valid UTF-8"},
      {"\xFF\xFEs\n", "1:1: byte 0xFF is not valid UTF-8"},
      {"seed: 1\n\x04name: x\n", "2:1: control character 0x04"},
      {"name: \x1B[31m\n", "1:7: control character 0x1B"},
      {"seed: 1\rname: x\n", "1:8: control character 0x0D"},
      {"name: \"x\n", "1:7: the quote \" is never closed"},
      {"name: 'it''s\n", "1:7: the quote ' is never closed"},
      {"name: \"a\\\"\n", "1:7: the quote \" is never closed"},
      {"seed: 1\n'name\n", "2:1: the quote ' is never closed"},
  });
}

TEST(Yaml, PassesOnWhatTheParserCannotRead) {
  const std::pair<const char*, const char*> cases[] = {
      {"name: a: b\n", "1:8: not readable as YAML: illegal map value"},
      {"train:\n  lr: 1\n seed: 1\n", "3:2: not readable as YAML: end of map not found"},
      {"seed: 1\n  name: x\n", "2:7: not readable as YAML: illegal map value"},
      {"train: {lr: 1\n", "2:1: not readable as YAML: end of map flow not found"},
      {"name: @x\n", "1:7: not readable as YAML: unknown token"},
      {"name: \"\\q\"\n", "1:10: not readable as YAML: unknown escape character: q"},
      {"seed: - 1\n", "1:7: not readable as YAML: illegal block entry"},
      {"seed: 1\n}\n", "2:1: not readable as YAML: illegal flow end"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(ErrorOf(text), std::string("a.yaml:") + message + " (" + kUnreadable + ")");
  }
}

TEST(Yaml, RefusesAByteZero) { EXPECT_EQ(ErrorOf(std::string("seed: 1\0", 8)), "a.yaml:1:8: control character 0x00"); }

TEST(Yaml, ReadsEveryStyleOfWriting) {
  ExampleProgram program;
  Read(program,
       "\xEF\xBB\xBF---\r\n# comment\r\nseed: 1e6  # steps\r\nname: 'it''s'\r\n\"train\": {lr: 0.5, normalize: "
       "false}\r\n...\r\n");
  EXPECT_EQ(program.seed, 1'000'000);
  EXPECT_EQ(program.name, "it's");
  EXPECT_EQ(program.train.lr, 0.5);
  EXPECT_FALSE(program.train.normalize);
}

TEST(Yaml, AnEmptyFileIsAnEmptyDocument) {
  for (const char* text : {"", "\n\n", "# nothing\n", "---\n", "{}\n", "train: {}\n"})
    EXPECT_EQ(ErrorOf(text), "") << text;
}

TEST(Yaml, TextOptionsTakePlainTextOfAnyLook) {
  for (const std::string text : {"010", "true", "1.5", "2024-01-01", "first run", "C:/runs", "a#b"}) {
    ExampleProgram program;
    Read(program, "name: " + text);
    EXPECT_EQ(program.name, text);
  }
}

TEST(Yaml, KeysOfTheFileCanBeRemovedThoseOfTheCommandLineCannot) {
  auto document = Document::FromText("seed: 1\ntrain:\n  lr: 1\n  epochs: 3\n", "file");
  document.Override("train.lr=2");
  EXPECT_TRUE(document.RemoveFromFile("seed"));
  EXPECT_TRUE(document.RemoveFromFile("train.epochs"));
  for (const char* stays : {"train.lr", "train", "seed", "nothing"})
    EXPECT_FALSE(document.RemoveFromFile(stays)) << stays;
  ASSERT_EQ(document.entries().size(), 2u);
  EXPECT_EQ(document.Find("train.lr"), "2");
}

TEST(Yaml, TheCommandLineOverridesTheFile) {
  ExampleProgram program;
  Document document = Document::FromText("seed: 1\nname: \"x\"\ntrain: {lr: 7}\n", "a.yaml");
  for (const char* assignment : {"seed=2", "train.lr=0.5", "train.unroll_length=4"}) document.Override(assignment);
  program.options.Read(document);
  EXPECT_EQ(program.seed, 2);
  EXPECT_EQ(program.name, "x");
  EXPECT_EQ(program.train.lr, 0.5);  // the wrong value of the file does not matter any more
  EXPECT_EQ(program.train.unroll_length, 4);
}

TEST(Yaml, FindsTextsAndPlaces) {
  const Document document = Document::FromText("env:\n  id: \"Corridor-v0\"\n", "a.yaml");
  EXPECT_EQ(document.Find("env.id"), "Corridor-v0");
  EXPECT_EQ(document.Where("env.id"), "a.yaml:2:7");
  EXPECT_EQ(document.Find("env"), std::nullopt);
  EXPECT_EQ(document.Find("id"), std::nullopt);
}

// Property: what ToYaml writes reads back as equal values, bit for bit, whatever they are.
TEST(Yaml, ResolvedOptionsReadBackEqual) {
  std::mt19937_64 random(11);
  const std::string pieces[] = {"a",
                                "Z",
                                "0",
                                " ",
                                ":",
                                "#",
                                "\"",
                                "'",
                                "\\",
                                "\n",
                                "\t",
                                "\r",
                                "-",
                                "{",
                                "]",
                                "&",
                                "*",
                                "!",
                                "%",
                                "~",
                                "null",
                                "true",
                                "---",
                                "...",
                                "\x01",
                                "\x04",
                                "\x7F",
                                "ä",
                                "\xC2\x85",
                                "\xE2\x80\xA8",
                                "\xEF\xBB\xBF",
                                "😀"};
  for (int i = 0; i < 2000; ++i) {
    ExampleProgram written, read;
    written.seed = static_cast<int64_t>(random() >> (1 + random() % 63));
    do {
      written.train.lr = std::abs(std::bit_cast<double>(random()));
    } while (!(written.train.lr <= 1));
    written.train.unroll_length = 1 + static_cast<int>(random() % 1024);
    written.train.normalize = random() % 2;
    for (size_t n = random() % 8; n > 0; --n) written.name += pieces[random() % std::size(pieces)];
    Read(read, written.options.ToYaml());
    ASSERT_EQ(read.seed, written.seed);
    ASSERT_EQ(std::bit_cast<uint64_t>(read.train.lr), std::bit_cast<uint64_t>(written.train.lr));
    ASSERT_EQ(read.train.unroll_length, written.train.unroll_length);
    ASSERT_EQ(read.train.normalize, written.train.normalize);
    ASSERT_EQ(read.name, written.name);
    ASSERT_EQ(read.options.ToYaml(), written.options.ToYaml());
  }
}

// Whatever the bytes, the answer is a document or an OptionError, soon.
TEST(Yaml, SurvivesRandomBytes) {
  std::mt19937 random(3);
  const std::string letters = "ab:: \n\n  -?[]{},&*!|>'\"%@`#.~\\0e<=\xC3\xA4\x80";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) text += letters[random() % letters.size()];
    try {
      Document::FromText(text, "a.yaml");
    } catch (const OptionError&) {
    }
  }
}

class YamlFile : public testing::Test {
 protected:
  YamlFile() : folder_(fs::temp_directory_path() / ("lethe_yaml_test_" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~YamlFile() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  static std::string ErrorOfFile(const std::string& path) {
    return ErrorText<OptionError>([&] { Document::FromFile(path); });
  }

  fs::path folder_;
};

TEST_F(YamlFile, IsRead) {
  EXPECT_EQ(Document::FromFile(Write("a.yaml", "seed: 3\n")).Find("seed"), "3");
  EXPECT_EQ(ErrorOfFile(Write("b.yaml", "seed: [\n")),
            Path("b.yaml") + ":1:7: key `seed`: got a list, expected one value");
}

TEST_F(YamlFile, MissingNamesTheNearest) {
  Write("corridor.yaml", "");
  EXPECT_EQ(ErrorOfFile(Path("coridor.yml")),
            Path("coridor.yml") + ": no such file; did you mean `" + Path("corridor.yaml") + "`?");
  EXPECT_EQ(ErrorOfFile("/nonexistent/folder/x.yaml"), "/nonexistent/folder/x.yaml: no such file");
  EXPECT_EQ(ErrorOfFile(""), "command line: the name of a file is empty");
}

TEST_F(YamlFile, MustNotBeADirectory) {
  EXPECT_EQ(ErrorOfFile(folder_.string()), folder_.string() + ": is a directory, expected a YAML file");
}

TEST_F(YamlFile, MustNotExceedOneMegabyte) {
  const std::string allowed(Document::kMaxBytes, '\n');
  EXPECT_EQ(ErrorOfFile(Write("a.yaml", allowed)), "");
  EXPECT_EQ(ErrorOfFile(Write("b.yaml", allowed + "\n")),
            Path("b.yaml") + ": is larger than 1000000 bytes, the most that is read");
}

TEST_F(YamlFile, SaysWhyItCannotBeOpened) {
  const std::string path = Write("a.yaml", "seed: 1\n") + "/b.yaml";
  EXPECT_EQ(ErrorOfFile(path), path + ": cannot be opened: Not a directory");
}

}  // namespace
}  // namespace lethe::configs
