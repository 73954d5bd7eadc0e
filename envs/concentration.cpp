#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "envs/registration.h"

namespace lethe::envs {
namespace {

constexpr const char* kConcentrationRules = R"(Find the pairs among cards that are seen two at a time.

2n cards lie face down, two of each label 1 .. n. A try flips two cards; the same label twice is a pair. Then all cards
lie face down again, found pairs too, so the table tells nothing about the past. n = `pairs`.

      #  #  #        n = 3, cards 0 .. 5, first flip: card 1 shows label 3
      3  #  #
      #  #  #        second flip: card 4 shows label 1, no pair

**A try has three steps.** *First flip*: all cards are face down, the action is the card to flip. *Second flip*: that
card is face up, the action is another one; if both have the same label and this pair was not found before, the reward
is 1 / n. *Look*: both are face up, the action has no effect, then both are turned down. Flipping the same card twice is
a failed try.

**End.** Terminated at a second flip: that of the last of `tries` tries (0: 2n tries), or the one that finds the last
pair.

**Limit.** 3 * tries steps; an episode terminates before it.

**Level.** The labels 1, 1, 2, 2, .. n, n in uniformly random order. Record: `labels`, one a card.

**Metrics.** pairs_found (as a share of n, which is the return), tries, steps.

**Oracle.** Never forgets a card it has seen, and knows no other. First flip: a card of a pair not yet found of which it
has seen both cards, else the first card not yet seen. Second flip: the partner if it has seen it, else the first card
not yet seen. So a failed try shows two new cards, and there are at most n of those, and n others find a pair each: 2n
tries find all, score 1. (The last two new cards match or have a known partner, so 2n - 1 tries do.)

**Memory needed.** From the last sight of a card to the flip of its partner: at the most 6n - 7 steps. That is 2n - 1
tries, the first of which shows the card at its look, step 2, and the last of which needs it at its second flip, step 3
(2n - 2) + 1.

**Without memory** the share found is at most 1 - (1 - 1/N)^tries, where N = n (2n - 1) is the number of places a pair
can have. Let p_i be the chance to flip card i first, and q(j|i,v) that to flip j after i has shown label v; what is
done at a look has no effect. As the table tells nothing about the past, a try finds label v at the place {i, j} with
chance r_v(i,j) = p_i q(j|i,v) + p_j q(i|j,v), whatever the other tries did, and the r_v of all places add up to 1 or
less. The place is uniform, so label v is found with chance mean over places of 1 - (1 - r_v)^tries, which is concave in
r_v: at most 1 - (1 - 1/N)^tries by Jensen's inequality. Any card, then any other, all alike, reach it: r_v = 2 / (2n
(2n - 1)) = 1/N.

**Random actions.** Second flips hit the first card too: r_v = 2 / (2n)^2, share 1 - (1 - 1/(2n^2))^tries.

**Source.** The card game, also Memory or Pairs; as a task Morad et al., "POPGym: Benchmarking partially observable
reinforcement learning", ICLR 2023. Ours: a look after the second flip; found pairs are turned down again, else the
table would remember them; each label is there just twice; failed tries cost nothing; the number of tries.
)";

struct ConcentrationParams : TaskParams {
  int64_t pairs = 8;
  int64_t tries = 0;

  template <class V>
  void Visit(V& v) {
    TaskParams::Visit(v);
    v("pairs", pairs, configs::Range{2, 64}, "number of pairs of cards");
    v("tries", tries, configs::Range{0, 1'000'000}, "tries of an episode; 0: twice the pairs");
  }
};

class Concentration {
 public:
  using Params = ConcentrationParams;
  static constexpr const char* kFamily = "Concentration";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kConcentrationRules;

  enum Phase : uint16_t { kFirstFlip, kSecondFlip, kLook };
  enum Mark : uint8_t { kUnseen, kSeen, kFound };

  struct State {
    int32_t tries;  // second flips done
    uint16_t phase;
    uint16_t found;  // pairs
    uint8_t first;   // the cards flipped in this try
    uint8_t second;
    uint8_t first_label;  // as it lies there: 0 face down
    uint8_t second_label;
  };  // the cards follow

  struct Card {
    uint8_t label;
    uint8_t partner;  // the other card of this label
    uint8_t mark;
  };

  explicit Concentration(const Params& params)
      : pairs_(static_cast<int>(params.pairs)),
        cards_(2 * pairs_),
        tries_(static_cast<int>(params.tries > 0 ? params.tries : cards_)),
        share_(1.0 / pairs_) {}

  size_t TailBytes() const { return sizeof(Card) * cards_; }

  Spec MakeSpec() const {
    Spec spec;
    spec.family = kFamily;
    spec.version = kVersion;
    spec.num_actions = cards_;
    for (int card = 0; card < cards_; ++card) {
      spec.action_names.push_back(fmt::format("card {}", card));
      spec.tokens.push_back({fmt::format("label of card {}; 0 face down", card), pairs_ + 1, {"face down"}});
    }
    spec.metric_names = {"pairs_found", "tries"};
    spec.score_metric = "pairs_found";
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    Card* cards = TailOf<Card>(state);
    for (int i = 0; i < cards_; ++i) cards[i].label = static_cast<uint8_t>(i / 2 + 1);
    random.Shuffle(std::span(cards, static_cast<size_t>(cards_)));
    Start(state);
  }

  void Load(State& state, const Json& record) const {
    LoadLabels(state, Field(record, "labels"));
    Start(state);
  }

  Json Record(const State& state) const {
    Json labels = Json::array();
    for (int i = 0; i < cards_; ++i) labels.push_back(TailOf<Card>(state)[i].label);
    return {{"labels", labels}};
  }

  int64_t Limit(const State&) const { return int64_t{3} * tries_; }

  Outcome Step(State& state, uint8_t action) const {
    if (state.phase == kFirstFlip) return FlipFirst(state, action);
    if (state.phase == kSecondFlip) return FlipSecond(state, action);
    state.phase = kFirstFlip;
    state.first_label = state.second_label = 0;
    return {};
  }

  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    std::fill_n(tokens, cards_, uint8_t{0});
    tokens[state.first] = state.first_label;
    tokens[state.second] |= state.second_label;
    return tokens + cards_;
  }

  void Metrics(const State& state, float* metrics) const {
    metrics[0] = static_cast<float>(state.found * share_);
    metrics[1] = static_cast<float>(state.tries);
  }

  uint8_t Oracle(const State& state) const {
    if (state.phase == kFirstFlip) return KnownPair(state);
    const uint8_t partner = TailOf<Card>(state)[state.first].partner;
    return TailOf<Card>(state)[partner].mark == kSeen ? partner : FirstUnseen(state);
  }

  // Any card, then any other, all alike.
  uint8_t Memoryless(const uint8_t* tokens, Stream& random) const {
    const auto up = static_cast<int>(std::find_if(tokens, tokens + cards_, [](uint8_t l) { return l != 0; }) - tokens);
    if (up == cards_) return static_cast<uint8_t>(random.Below(cards_));
    return static_cast<uint8_t>((up + random.Between(1, cards_ - 1)) % cards_);
  }

  bool IsCue(const State& state) const { return state.phase != kFirstFlip; }

  // Rows as even as can be, of at most 13 cards.
  std::string Text(const State& state) const {
    const int rows = (cards_ + 12) / 13;
    const int columns = (cards_ + rows - 1) / rows;
    std::vector<uint8_t> tokens(cards_);
    Observe(state, tokens.data());
    std::string text;
    for (int card = 0; card < cards_; ++card) {
      text += tokens[card] == 0 ? "  #" : fmt::format("{:3}", tokens[card]);
      if ((card + 1) % columns == 0 || card + 1 == cards_) text += '\n';
    }
    return text;
  }

 private:
  // The labels are in place.
  void Start(State& state) const {
    state = {};
    Card* cards = TailOf<Card>(state);
    std::array<int, 65> earlier;  // card of each label
    earlier.fill(-1);
    for (int i = 0; i < cards_; ++i) {
      cards[i].mark = kUnseen;
      int& other = earlier[cards[i].label];
      if (other >= 0) {
        cards[i].partner = static_cast<uint8_t>(other);
        cards[other].partner = static_cast<uint8_t>(i);
      }
      other = i;
    }
  }

  void LoadLabels(State& state, const Json& labels) const {
    std::array<int, 65> count{};
    bool is_deck = labels.is_array() && labels.size() == static_cast<size_t>(cards_);
    for (int card = 0; is_deck && card < cards_; ++card) {
      const int64_t label = IntegerIn(labels[card], fmt::format("labels[{}]", card), 1, pairs_);
      is_deck = ++count[label] <= 2;
      TailOf<Card>(state)[card].label = static_cast<uint8_t>(label);
    }
    if (is_deck) return;
    throw std::invalid_argument(fmt::format("labels is {}; allowed: each of 1..{} twice", labels.dump(), pairs_));
  }

  Outcome FlipFirst(State& state, uint8_t index) const {
    state.phase = kSecondFlip;
    state.first = state.second = index;
    state.first_label = Turn(state, index).label;
    return {};
  }

  Outcome FlipSecond(State& state, uint8_t index) const {
    Card& card = Turn(state, index);
    state.phase = kLook;
    state.second = index;
    state.second_label = card.label;
    ++state.tries;
    const bool found = (card.partner == state.first) & (card.mark != kFound);
    if (found) card.mark = TailOf<Card>(state)[state.first].mark = kFound;
    state.found += found;
    return {.reward = found * share_, .terminated = state.tries == tries_ || state.found == pairs_};
  }

  static Card& Turn(State& state, uint8_t index) {
    Card& card = TailOf<Card>(state)[index];
    card.mark = std::max<uint8_t>(card.mark, kSeen);
    return card;
  }

  // A card of a pair of which both were seen and that is not yet found, else the first unseen card.
  uint8_t KnownPair(const State& state) const {
    const Card* cards = TailOf<Card>(state);
    for (int i = 0; i < cards_; ++i) {
      if (cards[i].mark == kSeen && cards[cards[i].partner].mark == kSeen) return static_cast<uint8_t>(i);
    }
    return FirstUnseen(state);
  }

  // Card 0 if there is none: then nothing is left to be found out.
  uint8_t FirstUnseen(const State& state) const {
    const Card* cards = TailOf<Card>(state);
    const auto unseen = std::find_if(cards, cards + cards_, [](const Card& card) { return card.mark == kUnseen; });
    return static_cast<uint8_t>(unseen == cards + cards_ ? 0 : unseen - cards);
  }

  int pairs_;
  int cards_;
  int tries_;
  double share_;  // of one pair
};

LETHE_REGISTER_ENV(Concentration, {
                                      {"Concentration-v0", {}, {1, 0.12532, 0.11794}, 41},
                                      {"Concentration-Short-v0", {{"pairs", 4}}, {1, 0.25244, 0.22430}, 17},
                                      {"Concentration-Long-v0", {{"pairs", 26}}, {1, 0.03847, 0.03774}, 149},
                                  });

}  // namespace
}  // namespace lethe::envs
