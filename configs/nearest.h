#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lethe::configs {

/// The word that was most likely meant, for "did you mean ...?"; "" when none is near.
/// Near: at most a third of the letters (and always one) inserted, dropped, replaced or swapped with a neighbour,
/// upper and lower case alike; failing that, the first word that begins with a text of at least three letters.
/// Equally near words: the first one.
std::string Nearest(const std::string& word, const std::vector<std::string>& words);

/// The word at most `max_edits` such changes away; "" when there is none.
std::string Nearest(const std::string& word, const std::vector<std::string>& words, size_t max_edits);

/// How many changes still count as a slip: a third of the letters, and always one.
size_t MaxEdits(const std::string& word);

/// "; did you mean `lr`?", or "" when no word is near: ready to end a message.
std::string DidYouMean(const std::string& word, const std::vector<std::string>& words);

}  // namespace lethe::configs
