#include "memory/fused_stepper.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "memory/check.h"
#include "memory/check_block.h"
#include "memory/kernels/span_mask.h"
#include "memory/kernels/step.h"
#include "memory/scratch.h"
#include "memory/torch.h"
#include "memory/unroll_record.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

int64_t GroupsFor(int64_t keys) { return (keys + kGroupKeys - 1) / kGroupKeys; }

/// x [rows, n] with rows of zeros behind, up to a multiple.
Tensor PadRows(const Tensor& x, int64_t multiple) {
  const int64_t rows = x.size(0), padded = (rows + multiple - 1) / multiple * multiple;
  return padded == rows ? x : torch::cat({x, torch::zeros({padded - rows, x.size(1)}, x.options())});
}

/// [out, in] -> [out / kPanelColumns, in, kPanelColumns], zeros behind the last row.
Tensor Panels(const Tensor& weight) {
  return PadRows(weight, kPanelColumns).view({-1, kPanelColumns, weight.size(1)}).transpose(1, 2).contiguous();
}

Tensor PaddedVector(const Tensor& x) { return PadRows(x.unsqueeze(1), kPanelColumns).squeeze(1).contiguous(); }

/// A layer's parameters as the kernel reads them, all contiguous.
struct PackedLayer {
  Tensor qkv, out, ff1, ff1_bias, ff2, ff2_bias, norm1, norm1_bias, norm2, norm2_bias;
  SpanRule span_rule;
};

/// Rows [heads * head_dim, in], every head padded with zeros.
Tensor PadHeads(const Tensor& rows, const StepShape& s) {
  const Tensor heads = rows.view({s.heads, s.head_dim, rows.size(1)});
  return torch::constant_pad_nd(heads, {0, 0, 0, s.head_stride - s.head_dim}).view({s.width, rows.size(1)});
}

PackedLayer Pack(const TransformerLayer& layer, const SpanRule& rule, const StepShape& s) {
  const auto kv = layer.key_value.chunk(2);
  const Tensor query = layer.query / std::sqrt(static_cast<double>(s.head_dim));
  PackedLayer p;
  p.qkv = Panels(torch::cat({PadHeads(query, s), PadHeads(kv[0], s), PadHeads(kv[1], s)}));
  p.out = Panels(PadHeads(layer.out.t().contiguous(), s).t());
  p.ff1 = Panels(layer.ff1), p.ff1_bias = PaddedVector(layer.ff1_bias);
  p.ff2 = Panels(layer.ff2), p.ff2_bias = PaddedVector(layer.ff2_bias);
  p.norm1 = layer.norm1.contiguous(), p.norm1_bias = layer.norm1_bias.contiguous();
  p.norm2 = layer.norm2.contiguous(), p.norm2_bias = layer.norm2_bias.contiguous();
  p.span_rule = rule;
  return p;
}

/// Keys, values, spans and ages of a layer's rows, in groups; see StepLayer.
struct GroupedKeys {
  std::vector<int64_t> first_group, block_group;
  Tensor k, v, span, age;
  std::vector<uint8_t> consecutive;
  std::vector<int32_t> list, listed, living;
  std::vector<int64_t> column;  // [groups * kGroupKeys] column of a trace: index in the row's bank, or behind it
  int64_t most_groups = 0;
};

/// A bank's arrays: reading them through tensors, element by element, costs more than the copy.
struct BankArrays {
  explicit BankArrays(const BankView& bank)
      : k(bank.k.const_data_ptr<float>()),
        v(bank.v.const_data_ptr<float>()),
        k_row(bank.k.stride(0)),
        v_row(bank.v.stride(0)),
        span(bank.span.const_data_ptr<double>()),
        age(bank.age.const_data_ptr<int64_t>()),
        begin(bank.begin.const_data_ptr<int64_t>()),
        count(bank.count.const_data_ptr<int64_t>()) {}
  const float *k, *v;
  const int64_t k_row, v_row;
  const double* span;
  const int64_t *age, *begin, *count;
};

/// Memories of a row's bank that the first step sees.
std::vector<int64_t> LivingOf(const BankArrays& bank, int64_t row, double ramp) {
  std::vector<int64_t> living;
  for (int64_t i = bank.begin[row], end = i + bank.count[row]; i < end; ++i) {
    if (std::isnan(bank.span[i]))
      throw NotFinite("memory step: spans must be numbers, got NaN at memory " + std::to_string(i - bank.begin[row]) +
                      " of row " + std::to_string(row));
    if (SpanMask(bank.span[i] - static_cast<double>(bank.age[i]), ramp) > 0) living.push_back(i);
  }
  return living;
}

/// Fills groups of a layer with memories of its bank.
class GroupFiller {
 public:
  GroupFiller(const BankArrays& bank, const StepShape& shape, GroupedKeys& to)
      : bank_(bank),
        shape_(shape),
        to_(to),
        k_(to.k.data_ptr<float>()),
        v_(to.v.data_ptr<float>()),
        span_(to.span.data_ptr<double>()),
        age_(to.age.data_ptr<double>()) {}

  /// Up to kGroupKeys memories of a row that begins at `begin`, in order of time.
  void Fill(int64_t group, const int64_t* memories, int64_t size, int64_t begin) const {
    double *span = span_ + group * kGroupKeys, *age = age_ + group * kGroupKeys;
    bool consecutive = true;
    for (int64_t lane = 0; lane < kGroupKeys; ++lane) {
      if (lane < size) {
        CopyKey(memories[lane], group, lane);
        span[lane] = bank_.span[memories[lane]];
        age[lane] = static_cast<double>(bank_.age[memories[lane]]);
        to_.column[static_cast<size_t>(group * kGroupKeys + lane)] = memories[lane] - begin;
      } else {
        span[lane] = -std::numeric_limits<double>::infinity();
        age[lane] = age[lane - 1] - 1;
      }
      consecutive = consecutive && age[lane] == age[0] - static_cast<double>(lane);
    }
    to_.consecutive[static_cast<size_t>(group)] = consecutive;
  }

 private:
  void CopyKey(int64_t memory, int64_t group, int64_t lane) const {
    const StepShape& s = shape_;
    const float *k = bank_.k + memory * bank_.k_row, *v = bank_.v + memory * bank_.v_row;
    float *to_k = k_ + group * s.width * kGroupKeys + lane, *to_v = v_ + (group * kGroupKeys + lane) * s.width;
    for (int64_t head = 0; head < s.heads; ++head, k += s.head_dim, v += s.head_dim, to_v += s.head_stride) {
      for (int64_t d = 0; d < s.head_dim; ++d) to_k[(head * s.head_stride + d) * kGroupKeys] = k[d];
      std::fill(std::copy(v, v + s.head_dim, to_v), to_v + s.head_stride, 0.0f);
    }
  }

  const BankArrays& bank_;
  const StepShape& shape_;
  GroupedKeys& to_;
  float *const k_, *const v_;
  double *const span_, *const age_;
};

GroupedKeys GroupKeys(const BankView& view, const StepShape& s) {
  const BankArrays bank(view);
  std::vector<std::vector<int64_t>> living;
  GroupedKeys keys;
  keys.first_group = {0};
  for (int64_t row = 0; row < s.rows; ++row) {
    living.push_back(LivingOf(bank, row, s.ramp));
    const int64_t banked = GroupsFor(static_cast<int64_t>(living.back().size())), groups = banked + GroupsFor(s.steps);
    keys.most_groups = std::max(keys.most_groups, groups);
    keys.block_group.push_back(keys.first_group.back() + banked);
    keys.first_group.push_back(keys.first_group.back() + groups);
  }
  const int64_t groups = keys.first_group.back();
  keys.k = torch::empty({groups, s.width, kGroupKeys});
  keys.v = torch::empty({groups, kGroupKeys, s.width});
  keys.span = torch::empty({groups, kGroupKeys}, torch::kDouble);
  keys.age = torch::empty({groups, kGroupKeys}, torch::kDouble);
  keys.consecutive.resize(static_cast<size_t>(groups));
  keys.list.resize(static_cast<size_t>(groups));
  keys.column.resize(static_cast<size_t>(groups * kGroupKeys));
  keys.living.assign(static_cast<size_t>(s.rows), 0);
  const GroupFiller filler(bank, s, keys);
  for (int64_t row = 0; row < s.rows; ++row) {
    const auto at = static_cast<size_t>(row);
    const int64_t first = keys.first_group[at], block = keys.block_group[at];
    for (int64_t group = first; group < block; ++group) {
      const int64_t from = (group - first) * kGroupKeys, left = static_cast<int64_t>(living[at].size()) - from;
      filler.Fill(group, living[at].data() + from, std::min(left, kGroupKeys), bank.begin[row]);
      keys.list[static_cast<size_t>(group)] = static_cast<int32_t>(group);
    }
    for (int64_t j = 0; j < s.steps; ++j) keys.column[static_cast<size_t>(block * kGroupKeys + j)] = view.longest + j;
    keys.listed.push_back(static_cast<int32_t>(block - first));
  }
  return keys;
}

class FusedStepper : public Stepper {
 public:
  FusedStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state, int64_t steps, Between between)
      : record_(core, std::move(state), steps), between_(std::move(between)) {
    const torch::NoGradGuard no_grad;
    SetShape(core);
    packed_.reserve(core.layers().size()), keys_.reserve(core.layers().size());  // the kernel holds pointers into them
    for (size_t l = 0; l < core.layers().size(); ++l) {
      UnrollRecord::Layer& record = record_.layers()[l];
      packed_.push_back(Pack(core.layers()[l], *core.RuleOfSpans(core.layers()[l]), shape_));
      keys_.push_back(GroupKeys(record.bank, shape_));
      record.bank.k = record.bank.v = Tensor();  // they live in the groups now
      shape_.most_groups = std::max(shape_.most_groups, keys_[l].most_groups);
      layers_.push_back(KernelLayer(packed_[l], keys_[l], record));
    }
    y_ = torch::empty({shape_.rows, shape_.dim});
  }

  Tensor Step(const Tensor& x, const uint8_t* episode_start, Trace* trace) override {
    Check(x.dim() == 2 && x.size(0) == shape_.rows && x.size(1) == shape_.dim && x.scalar_type() == torch::kFloat &&
              x.is_cpu(),
          "memory: x must be [", shape_.rows, ", ", shape_.dim, "] of float32 on the CPU, got ", x.sizes(), " of ",
          x.dtype());
    record_.BeginStep(episode_start);
    for (int64_t row = 0; row < shape_.rows; ++row)
      for (const StepLayer& layer : layers_)
        if (episode_start[row] != 0) layer.listed[row] = 0;
    if (trace == nullptr) {
      Run(x, nullptr);
    } else {
      RunTraced(x, *trace);
    }
    record_.EndStep();
    return y_;
  }

  std::vector<std::vector<int32_t>> Living() const override {
    std::vector<std::vector<int32_t>> living;
    for (const GroupedKeys& keys : keys_) living.push_back(keys.living);
    return living;
  }
  std::vector<std::vector<double>> Spans() const override { return record_.Spans(); }
  StatePtr Finish() override { return record_.Finish(); }

 private:
  void SetShape(const BankedTransformer& core) {
    const TransformerOptions& o = core.shared();
    StepShape& s = shape_;
    s.rows = record_.rows(), s.steps = record_.steps(), s.layers = o.layers;
    s.dim = o.dim, s.heads = o.heads, s.head_dim = o.HeadDim(), s.ffn = o.ffn;
    s.head_stride = GroupsFor(s.head_dim) * kGroupKeys, s.width = s.heads * s.head_stride;
    s.ramp = record_.constants().ramp, s.pre_norm = o.pre_norm;
    s.positions = core.position_keys().size(2);
    position_keys_ =
        torch::constant_pad_nd(core.position_keys()[0], {0, GroupsFor(s.positions) * kGroupKeys - s.positions})
            .contiguous();
    s.position_keys = position_keys_.const_data_ptr<float>();
    if (o.pre_norm) {
      out_norm_ = core.stack().out_norm().contiguous(), out_norm_bias_ = core.stack().out_norm_bias().contiguous();
      s.out_norm = out_norm_.const_data_ptr<float>(), s.out_norm_bias = out_norm_bias_.const_data_ptr<float>();
    }
    if (o.position == "rotary") {  // (1, 0) rotated is (cos, sin)
      const int64_t half = s.head_dim / 2;
      const Tensor unit = torch::cat({torch::ones({s.steps, half}), torch::zeros({s.steps, half})}, 1);
      const auto rotated = Rotate(unit, torch::arange(s.steps, torch::kLong), s.head_dim).chunk(2, 1);
      cos_ = rotated[0].contiguous(), sin_ = rotated[1].contiguous();
      s.cos = cos_.const_data_ptr<float>(), s.sin = sin_.const_data_ptr<float>();
    }
  }

  static StepLayer KernelLayer(const PackedLayer& p, GroupedKeys& keys, UnrollRecord::Layer& record) {
    const auto data = [](const Tensor& x) { return x.const_data_ptr<float>(); };
    return {data(p.qkv),
            data(p.out),
            data(p.ff1),
            data(p.ff1_bias),
            data(p.ff2),
            data(p.ff2_bias),
            data(p.norm1),
            data(p.norm1_bias),
            data(p.norm2),
            data(p.norm2_bias),
            &p.span_rule,
            keys.first_group.data(),
            keys.block_group.data(),
            keys.k.data_ptr<float>(),
            keys.v.data_ptr<float>(),
            keys.span.data_ptr<double>(),
            keys.age.data_ptr<double>(),
            keys.consecutive.data(),
            keys.list.data(),
            keys.listed.data(),
            record.hidden.data_ptr<float>(),
            record.span.data_ptr<double>(),
            keys.living.data()};
  }

  /// weights: null, or an array per layer.
  void Run(const Tensor& x, float* const* weights) {
    if (!between_) return RunLayers(shape_, 0, x, y_, weights);
    const torch::NoGradGuard no_grad;
    Tensor input = x;
    for (size_t l = 0; l < layers_.size(); ++l) {
      const bool is_last = l + 1 == layers_.size();
      StepShape shape = shape_;
      shape.layers = 1;
      if (!is_last) shape.out_norm = nullptr;
      const Tensor y = is_last ? y_ : torch::empty_like(y_);
      RunLayers(shape, l, input, y, weights == nullptr ? nullptr : weights + l);
      if (!is_last) input = AddBetween(between_, l, y);
    }
  }

  /// shape.layers of the layers, from `first` on: from input to y.
  void RunLayers(const StepShape& shape, size_t first, const Tensor& input, const Tensor& y, float* const* weights) {
    const Tensor x = input.stride(1) == 1 ? input : input.contiguous();
    const StepKernel& kernel = SelectStep();
    const StepCall call{record_.step(), x.const_data_ptr<float>(), x.stride(0), y.data_ptr<float>(), weights};
    switch (kernel.run(shape, layers_.data() + first, call, Scratch(kernel.scratch_bytes(shape)))) {
      case StepResult::kFine:
        return;
      case StepResult::kSpanIsNaN:
        throw NotFinite("memory step: spans must be numbers, not NaN");
      case StepResult::kNotFinite:
        throw NotFinite("memory step: x, parameters and living memories must be finite; attention is not");
    }
  }

  void RunTraced(const Tensor& x, Trace& trace) {
    std::vector<std::vector<float>> grouped;
    std::vector<float*> pointers;
    for (const GroupedKeys& keys : keys_)
      grouped.emplace_back(static_cast<size_t>(keys.first_group.back() * kGroupKeys * shape_.heads), 0.0f);
    for (auto& weights : grouped) pointers.push_back(weights.data());
    Run(x, pointers.data());
    trace.layers.clear();
    for (size_t l = 0; l < keys_.size(); ++l)
      trace.layers.push_back(record_.TraceOf(record_.layers()[l], Ungroup(grouped[l], l)));
  }

  /// Weights as the kernel writes them -> [B, heads, columns of the trace].
  Tensor Ungroup(const std::vector<float>& grouped, size_t l) {
    const GroupedKeys& keys = keys_[l];
    const int64_t columns = record_.layers()[l].bank.longest + record_.step() + 1;
    Tensor weights = torch::zeros({shape_.rows, shape_.heads, columns});
    const float* from = grouped.data();
    for (int64_t row = 0; row < shape_.rows; ++row) {
      const int64_t first = keys.first_group[static_cast<size_t>(row)] * kGroupKeys,
                    end = keys.first_group[static_cast<size_t>(row) + 1] * kGroupKeys;
      for (int64_t head = 0; head < shape_.heads; ++head) {
        float* to = weights.data_ptr<float>() + (row * shape_.heads + head) * columns;
        for (int64_t lane = first; lane < end; ++lane, ++from)
          if (*from != 0) to[keys.column[static_cast<size_t>(lane)]] = *from;
      }
    }
    return weights;
  }

  UnrollRecord record_;
  const Between between_;
  StepShape shape_{};
  Tensor position_keys_, out_norm_, out_norm_bias_, cos_, sin_, y_;
  std::vector<PackedLayer> packed_;
  std::vector<GroupedKeys> keys_;
  std::vector<StepLayer> layers_;
};

}  // namespace

bool CanFuse(const BankedTransformer& core) {
  Noise evaluation(0);
  const AttentionConstants c = core.Constants(evaluation);
  const double never = std::numeric_limits<double>::infinity();
  const TransformerLayer& layer = core.layers()[0];
  return layer.query.is_cpu() && layer.query.scalar_type() == torch::kFloat && !core.shared().gates &&
         core.RuleOfSpans(layer).has_value() && c.epsilon == 0 && c.shorten == never && c.window == never &&
         c.least_mask == 0;
}

std::unique_ptr<Stepper> MakeFusedStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                          int64_t steps, Between between) {
  return std::make_unique<FusedStepper>(core, std::move(state), steps, std::move(between));
}

}  // namespace lethe::memory
