#include "memory/banked_state.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <sstream>
#include <stdexcept>

namespace lethe::memory {

namespace {

using torch::Tensor;

const int64_t* Longs(const Tensor& x) { return x.const_data_ptr<int64_t>(); }

/// begin = running sum of count; sets longest.
void Index(Bank& bank, const std::vector<int64_t>& count) {
  bank.count = torch::tensor(count, torch::kLong);
  bank.begin = torch::empty_like(bank.count);
  int64_t next = 0;
  for (size_t row = 0; row < count.size(); ++row) {
    bank.begin.data_ptr<int64_t>()[row] = next;
    next += count[row];
    bank.longest = std::max(bank.longest, count[row]);
  }
}

Tensor IndexTensor(const std::vector<int64_t>& index, const Tensor& like) {
  return torch::tensor(index, torch::kLong).to(like.device());
}

const Tensor& Find(const TensorMap& saved, const std::string& name) {
  const auto found = saved.find(name);
  if (found == saved.end()) throw std::invalid_argument("memory state: `" + name + "` is missing");
  return found->second;
}

[[noreturn]] void Refuse(const std::string& name, const std::string& allowed, const Tensor& got) {
  std::ostringstream text;
  text << "memory state: `" << name << "` must be " << allowed << ", got " << got.sizes() << " of " << got.dtype();
  throw std::invalid_argument(text.str());
}

/// A whole-number tensor [size], size < 0: any.
Tensor FindLongs(const TensorMap& saved, const std::string& name, int64_t size, const std::string& meaning) {
  const Tensor& x = Find(saved, name);
  if (x.dim() != 1 || x.scalar_type() != torch::kLong || (size >= 0 && x.size(0) != size))
    Refuse(name, meaning + " of int64", x);
  return x.cpu().contiguous().clone();
}

Tensor FindHidden(const TensorMap& saved, const std::string& name, int64_t count, int64_t dim,
                  const torch::TensorOptions& options) {
  const Tensor& x = Find(saved, name);
  if (x.dim() != 2 || x.size(0) != count || x.size(1) != dim || !x.is_floating_point())
    Refuse(name, "[" + std::to_string(count) + ", " + std::to_string(dim) + "] of floats", x);
  return x.to(options).clone();
}

/// Ages follow from these times, so they must rise within a row and lie before its clock.
void CheckTimes(const Bank& bank, const Tensor& clock, const std::string& name) {
  const int64_t* time = Longs(bank.time);
  for (int64_t row = 0; row < clock.size(0); ++row)
    for (int64_t i = Longs(bank.begin)[row], end = i + Longs(bank.count)[row]; i < end; ++i)
      if (time[i] >= (i + 1 < end ? time[i + 1] : Longs(clock)[row]))
        throw std::invalid_argument("memory state: `" + name + "` must rise within row " + std::to_string(row) +
                                    " and stay below its clock");
}

std::string Key(size_t layer, const char* what) { return "layer" + std::to_string(layer) + "." + what; }

}  // namespace

const BankedState& AsBankedState(const StatePtr& state) {
  const auto* mine = dynamic_cast<const BankedState*>(state.get());
  if (mine == nullptr) throw std::invalid_argument("memory state: not the state of a banked memory");
  return *mine;
}

std::vector<int64_t> BankedState::resident() const {
  std::vector<int64_t> stored;
  for (const Bank& bank : banks_) stored.push_back(bank.count.sum().item<int64_t>());
  return stored;
}

int64_t BankedState::bytes() const {
  int64_t bytes = 0;
  for (const Bank& bank : banks_) bytes += static_cast<int64_t>(bank.hidden.nbytes() + bank.time.nbytes());
  return bytes;
}

TensorMap BankedState::Save() const {
  std::vector<int64_t> all(static_cast<size_t>(rows()));
  std::iota(all.begin(), all.end(), 0);
  const auto packed = GatherRows(*this, all);
  TensorMap saved{{"clock", packed->clock()}};
  for (size_t layer = 0; layer < banks_.size(); ++layer) {
    const Bank& bank = packed->banks()[layer];
    saved[Key(layer, "hidden")] = bank.hidden.cpu();
    saved[Key(layer, "time")] = bank.time;
    saved[Key(layer, "count")] = bank.count;
  }
  return saved;
}

Bank EmptyBank(int64_t rows, int64_t dim, const torch::TensorOptions& options) {
  Bank bank;
  bank.hidden = torch::empty({0, dim}, options);
  bank.time = torch::empty({0}, torch::kLong);
  Index(bank, std::vector<int64_t>(static_cast<size_t>(rows), 0));
  return bank;
}

void DropWholeBlocks(const std::vector<std::vector<char>>& dead, int64_t block, std::vector<KeptRow>& kept) {
  int64_t fewest = std::numeric_limits<int64_t>::max();
  for (const auto& flags : dead) fewest = std::min<int64_t>(fewest, std::count(flags.begin(), flags.end(), 1));
  const int64_t dropped = fewest / block * block;
  for (size_t row = 0; row < kept.size(); ++row) {
    std::vector<int64_t> banked;
    int64_t left = dropped;
    for (size_t i = 0; i < dead[row].size(); ++i) {
      if (dead[row][i] != 0 && left > 0) {
        --left;
      } else {
        banked.push_back(kept[row].banked[i]);
      }
    }
    kept[row].banked = std::move(banked);
  }
}

Bank Repack(const Bank& bank, const Tensor& block, const Tensor& clock, const std::vector<KeptRow>& kept) {
  const int64_t rows = block.size(0), steps = block.size(1), banked = bank.hidden.size(0);
  std::vector<int64_t> index, time, count;
  for (int64_t row = 0; row < rows; ++row) {
    const KeptRow& keep = kept[static_cast<size_t>(row)];
    for (const int64_t i : keep.banked) index.push_back(i), time.push_back(Longs(bank.time)[i]);
    for (const int64_t t : keep.steps) index.push_back(banked + row * steps + t), time.push_back(Longs(clock)[row] + t);
    count.push_back(static_cast<int64_t>(keep.banked.size() + keep.steps.size()));
  }
  Bank next;
  next.hidden = torch::cat({bank.hidden, block.reshape({rows * steps, -1})}).index_select(0, IndexTensor(index, block));
  next.time = torch::tensor(time, torch::kLong);
  Index(next, count);
  return next;
}

std::shared_ptr<const BankedState> GatherRows(const BankedState& state, const std::vector<int64_t>& rows) {
  for (const int64_t row : rows)
    if (row < -1 || row >= state.rows())
      throw std::invalid_argument("memory state: row " + std::to_string(row) + " does not exist, allowed 0 to " +
                                  std::to_string(state.rows() - 1) + ", or -1 for an empty row");
  std::vector<Bank> banks;
  for (const Bank& bank : state.banks()) {
    std::vector<int64_t> index, count;
    for (const int64_t row : rows) {
      count.push_back(row < 0 ? 0 : Longs(bank.count)[row]);
      for (int64_t i = 0; i < count.back(); ++i) index.push_back(Longs(bank.begin)[row] + i);
    }
    Bank next;
    next.hidden = bank.hidden.index_select(0, IndexTensor(index, bank.hidden));
    next.time = bank.time.index_select(0, torch::tensor(index, torch::kLong));
    Index(next, count);
    banks.push_back(std::move(next));
  }
  Tensor clock = torch::zeros({static_cast<int64_t>(rows.size())}, torch::kLong);
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i] >= 0) clock.data_ptr<int64_t>()[i] = Longs(state.clock())[rows[i]];
  return std::make_shared<BankedState>(std::move(banks), std::move(clock));
}

std::shared_ptr<const BankedState> RestoreState(const TensorMap& saved, int64_t layers, int64_t dim,
                                                const torch::TensorOptions& options) {
  const Tensor clock = FindLongs(saved, "clock", -1, "[rows]");
  std::vector<Bank> banks;
  for (size_t layer = 0; layer < static_cast<size_t>(layers); ++layer) {
    const std::string count_name = Key(layer, "count"), time_name = Key(layer, "time");
    const Tensor count = FindLongs(saved, count_name, clock.size(0), "[rows of the clock]");
    if ((count < 0).any().item<bool>())
      throw std::invalid_argument("memory state: `" + count_name + "` must not be negative");
    Bank bank;
    Index(bank, std::vector<int64_t>(Longs(count), Longs(count) + count.size(0)));
    bank.time = FindLongs(saved, time_name, count.sum().item<int64_t>(), "[sum of `" + count_name + "`]");
    bank.hidden = FindHidden(saved, Key(layer, "hidden"), bank.time.size(0), dim, options);
    CheckTimes(bank, clock, time_name);
    banks.push_back(std::move(bank));
  }
  return std::make_shared<BankedState>(std::move(banks), clock);
}

}  // namespace lethe::memory
