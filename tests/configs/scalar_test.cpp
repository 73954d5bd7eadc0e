#include "configs/scalar.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/configs/error_text.h"

namespace lethe::configs {
namespace {

template <class F>
bool Refuses(F call, const std::string& reason) {
  return ErrorText<std::invalid_argument>(call).find(reason) != std::string::npos;
}

TEST(ParseInteger, ReadsWholeNumbers) {
  EXPECT_EQ(ParseInteger("0"), 0);
  EXPECT_EQ(ParseInteger("-12"), -12);
  EXPECT_EQ(ParseInteger("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseInteger("-9223372036854775808"), std::numeric_limits<int64_t>::min());
}

TEST(ParseInteger, ReadsExponentsExactly) {
  EXPECT_EQ(ParseInteger("1e6"), 1'000'000);
  EXPECT_EQ(ParseInteger("2.5E+3"), 2500);
  EXPECT_EQ(ParseInteger("1.0"), 1);
  EXPECT_EQ(ParseInteger("1200e-2"), 12);
  EXPECT_EQ(ParseInteger("0e999999999999"), 0);
  EXPECT_EQ(ParseInteger("9.223372036854775807e18"), std::numeric_limits<int64_t>::max());  // a double would round
}

TEST(ParseInteger, RefusesFractions) {
  for (const char* text : {"1.5", "1e-1", "0.1", "1.0000000000000000000000001", "1e-999999999999"}) {
    EXPECT_TRUE(Refuses([&, text = text] { ParseInteger(text); }, "not an integer")) << text;
  }
}

TEST(ParseInteger, RefusesMoreThan64Bits) {
  for (const char* text :
       {"9223372036854775808", "-9223372036854775809", "1e19", "1e999999999999", "99999999999999999999999"}) {
    EXPECT_TRUE(Refuses([&, text = text] { ParseInteger(text); }, "beyond the range of a 64-bit integer")) << text;
  }
}

TEST(ParseNumber, SaysWhatIsWrongWithTheText) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "a number is missing"},
      {"010", "no leading zeros"},
      {"-01", "no leading zeros"},
      {"00.5", "no leading zeros"},
      {"0x10", "decimal"},
      {"0o17", "decimal"},
      {"0b1", "decimal"},
      {"-0X1", "decimal"},
      {"1_000", "without separators"},
      {"1,000", "without separators"},
      {"1 000", "without separators"},
      {"+1", "leave out the plus sign"},
      {"nan", "not a finite number"},
      {".nan", "not a finite number"},
      {"-.inf", "not a finite number"},
      {"Infinity", "not a finite number"},
      {"1e", "not a number"},
      {"1e+", "not a number"},
      {".5", "not a number"},
      {"5.", "not a number"},
      {"-", "not a number"},
      {"--1", "not a number"},
      {"1.2.3", "not a number"},
      {" 1", "not a number"},
      {"1 ", "not a number"},
      {"abc", "not a number"},
      {"1f", "not a number"},
      {"1e999", "beyond the range"},
      {"-1e999", "beyond the range"},
      {"1e-999", "beyond the range"},
  };
  for (const auto& [text, reason] : cases)
    EXPECT_TRUE(Refuses([&, text = text] { ParseNumber(text); }, reason)) << text;
}

TEST(ParseBool, TakesOnlyTrueAndFalse) {
  EXPECT_TRUE(ParseBool("true"));
  EXPECT_FALSE(ParseBool("false"));
  for (const char* text : {"yes", "no", "on", "off", "True", "TRUE", "1", "0", "y", "", " true"}) {
    EXPECT_TRUE(Refuses([&, text = text] { ParseBool(text); }, "not a truth value")) << text;
  }
}

TEST(YamlText, OfDoublesReadsBackBitForBit) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(std::bit_cast<uint64_t>(ParseNumber(YamlText(value))), std::bit_cast<uint64_t>(value)) << value;
  }
  for (const double value : {0.0, -0.0, 0.1, 1e-5, 5e-324, 1.7976931348623157e308}) {
    EXPECT_EQ(std::bit_cast<uint64_t>(ParseNumber(YamlText(value))), std::bit_cast<uint64_t>(value));
  }
}

TEST(YamlText, IsShort) {
  EXPECT_EQ(YamlText(0.1), "0.1");
  EXPECT_EQ(YamlText(1e6), "1000000");
  EXPECT_EQ(YamlText(true), "true");
  EXPECT_EQ(YamlText(int64_t{-3}), "-3");
}

TEST(YamlText, QuotesWhatYamlWouldTakeForSomethingElse) {
  EXPECT_EQ(YamlText(std::string("Corridor-v0")), "Corridor-v0");
  EXPECT_EQ(YamlText(std::string("runs/first.1")), "runs/first.1");
  EXPECT_EQ(YamlText(std::string("")), "\"\"");
  EXPECT_EQ(YamlText(std::string("null")), "\"null\"");
  EXPECT_EQ(YamlText(std::string("a: b")), "\"a: b\"");
  EXPECT_EQ(YamlText(std::string("a\"\\\n")), "\"a\\\"\\\\\\x0a\"");
}

TEST(InBackticks, CutsBetweenCharacters) {
  EXPECT_EQ(InBackticks("abc"), "`abc`");
  const std::string cut = InBackticks(std::string(59, 'a') + "\xC3\xA4" + "bc");
  EXPECT_EQ(cut, "`" + std::string(59, 'a') + "...`");
}

}  // namespace
}  // namespace lethe::configs
