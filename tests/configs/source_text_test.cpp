#include "configs/source_text.h"

#include <gtest/gtest.h>

#include "configs/document.h"
#include "tests/configs/error_text.h"

namespace lethe::configs {
namespace {

TEST(SourceText, CountsLinesAndCharacters) {
  SourceText source("ab\nä\xF0\x9F\x98\x80x\n", "f");
  EXPECT_EQ(source.At(0), "f:1:1");
  EXPECT_EQ(source.At(2), "f:1:3");
  EXPECT_EQ(source.At(3), "f:2:1");
  EXPECT_EQ(source.At(9), "f:2:3");
  EXPECT_EQ(source.At(10), "f:2:4");
  EXPECT_EQ(source.At(1), "f:1:2");  // backwards too
  EXPECT_EQ(source.At(1000), "f:3:1");
}

TEST(SourceText, KnowsWhetherAQuoteIsClosed) {
  EXPECT_TRUE(IsQuoteClosed("'a'", 0));
  EXPECT_TRUE(IsQuoteClosed("'it''s'", 0));
  EXPECT_TRUE(IsQuoteClosed("''", 0));
  EXPECT_TRUE(IsQuoteClosed("\"a\\\\\"", 0));
  EXPECT_TRUE(IsQuoteClosed("\"it''s\"", 0));
  EXPECT_FALSE(IsQuoteClosed("'it''s", 0));
  EXPECT_FALSE(IsQuoteClosed("'''", 0));
  EXPECT_FALSE(IsQuoteClosed("\"a\\\"", 0));
  EXPECT_FALSE(IsQuoteClosed("x'", 1));
}

TEST(SourceText, TakesPercentSignsInsideLines) {
  SourceText inside("a: 5 %\n", "f"), at_start("a: 5 %\n%\n", "f");
  EXPECT_EQ(ErrorText<OptionError>([&] { CheckNoDirectives(inside); }), "");
  EXPECT_EQ(ErrorText<OptionError>([&] { CheckNoDirectives(at_start); }),
            "f:2:1: directives (%NAME) are not supported");
}

}  // namespace
}  // namespace lethe::configs
