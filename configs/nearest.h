#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace lethe::configs {

namespace detail {

// Longer texts are no misspelt names; comparing them would only cost time.
inline constexpr size_t kMaxLetters = 100;

inline std::string LowerCase(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

// Optimal string alignment: Levenshtein's distance in which swapping two neighbours is one edit.
inline size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const size_t replace = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replace});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

inline std::string FirstBeginningWith(const std::string& start, const std::vector<std::string>& words) {
  if (start.size() < 3) return "";
  for (const std::string& word : words) {
    if (LowerCase(word).starts_with(start)) return word;
  }
  return "";
}

}  // namespace detail

/// How many changes still count as a slip: a third of the letters, and always one.
inline size_t MaxEdits(const std::string& word) { return std::max<size_t>(1, word.size() / 3); }

/// The word at most `max_edits` such changes away; "" when there is none.
inline std::string Nearest(const std::string& word, const std::vector<std::string>& words, size_t max_edits) {
  if (word.empty() || word.size() > detail::kMaxLetters) return "";
  const std::string wanted = detail::LowerCase(word);
  std::string best;
  size_t best_distance = max_edits + 1;
  for (const std::string& candidate : words) {
    if (candidate.size() > detail::kMaxLetters) continue;
    const size_t distance = detail::EditDistance(wanted, detail::LowerCase(candidate));
    // A distance as large as the word would match anything of that length.
    if (distance < best_distance && distance < std::max(word.size(), candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

/// The word that was most likely meant, for "did you mean ...?"; "" when none is near.
/// Near: at most a third of the letters (and always one) inserted, dropped, replaced or swapped with a neighbour,
/// upper and lower case alike; failing that, the first word that begins with a text of at least three letters.
/// Equally near words: the first one.
inline std::string Nearest(const std::string& word, const std::vector<std::string>& words) {
  const std::string best = Nearest(word, words, MaxEdits(word));
  return best.empty() ? detail::FirstBeginningWith(detail::LowerCase(word), words) : best;
}

/// "; did you mean `lr`?", or "" when no word is near: ready to end a message.
inline std::string DidYouMean(const std::string& word, const std::vector<std::string>& words) {
  const std::string nearest = Nearest(word, words);
  return nearest.empty() ? "" : fmt::format("; did you mean `{}`?", nearest);
}

}  // namespace lethe::configs
