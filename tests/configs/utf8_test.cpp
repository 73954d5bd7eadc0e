#include "configs/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace lethe::configs {
namespace {

TEST(Utf8, AcceptsTheEndsOfEveryLength) {
  for (const std::string text : {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                                 "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", ""}) {
    EXPECT_FALSE(FindInvalidUtf8(text)) << testing::PrintToString(text);
    EXPECT_EQ(CountCharacters(text), text.empty() ? 0U : 1U);
  }
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  for (const std::string text : {
           "\x80",              // continuation without lead
           "\xC0\xAF",          // overlong /
           "\xC1\xBF",          // overlong
           "\xE0\x9F\xBF",      // overlong in 3 bytes
           "\xF0\x8F\xBF\xBF",  // overlong in 4 bytes
           "\xED\xA0\x80",      // surrogate
           "\xF4\x90\x80\x80",  // above U+10FFFF
           "\xF5\x80\x80\x80",  // never a lead byte
           "\xFF",              //
           "\xE2\x82",          // cut short
           "\xE2\x28\xA1",      // second byte no continuation
           "\xF0\x90\x28\xBC",  // third
           "\xF0\x90\x80\x28",  // fourth
       }) {
    EXPECT_EQ(FindInvalidUtf8("ok" + text), 2U) << testing::PrintToString(text);
  }
}

TEST(Utf8, CountsCharactersNotBytes) { EXPECT_EQ(CountCharacters("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"), 6U); }

}  // namespace
}  // namespace lethe::configs
