#include "memory/recurrent_front.h"

#include <cmath>
#include <string>

#include "memory/check.h"
#include "memory/gru.h"
#include "memory/linear.h"
#include "memory/lstm.h"
#include "memory/transformer_layer.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

const std::string kFront = "front.";

class FrontedState : public State {
 public:
  FrontedState(StatePtr front, StatePtr body) : front_(std::move(front)), body_(std::move(body)) {}

  int64_t rows() const override { return body_->rows(); }
  std::vector<int64_t> resident() const override { return body_->resident(); }
  int64_t bytes() const override { return front_->bytes() + body_->bytes(); }
  TensorMap Save() const override {
    TensorMap saved = body_->Save();
    for (const auto& [name, tensor] : front_->Save()) saved[kFront + name] = tensor;
    return saved;
  }

  const StatePtr& front() const { return front_; }
  const StatePtr& body() const { return body_; }

  /// Errors: std::invalid_argument if it is another memory's.
  static const FrontedState& Of(const StatePtr& state) {
    const auto* mine = dynamic_cast<const FrontedState*>(state.get());
    Check(mine != nullptr, "memory state: not the state of a memory with a recurrent front");
    return *mine;
  }

 private:
  const StatePtr front_, body_;
};

class FrontedStepper : public Stepper {
 public:
  FrontedStepper(std::unique_ptr<Stepper> front, std::unique_ptr<Stepper> body, const Tensor& join)
      : front_(std::move(front)), body_(std::move(body)), join_(join) {}

  Tensor Step(const Tensor& x, const uint8_t* episode_start, Trace* trace) override {
    const torch::NoGradGuard no_grad;
    return body_->Step(x + Linear(front_->Step(x, episode_start), join_), episode_start, trace);
  }
  std::vector<std::vector<int32_t>> Living() const override { return body_->Living(); }
  std::vector<std::vector<double>> Spans() const override { return body_->Spans(); }
  StatePtr Finish() override { return std::make_shared<FrontedState>(front_->Finish(), body_->Finish()); }

 private:
  const std::unique_ptr<Stepper> front_, body_;
  const Tensor join_;
};

template <class Cell, class CellOptions>
std::shared_ptr<Core> Behind(const CoreOptions& options, std::shared_ptr<Core> body) {
  CellOptions cell;
  cell.dim = options.dim, cell.block = options.block;
  return std::make_shared<RecurrentFront>(std::make_shared<Cell>(cell), std::move(body));
}

}  // namespace

RecurrentFront::RecurrentFront(std::shared_ptr<RecurrentCore> front, std::shared_ptr<Core> body)
    : front_(register_module("front", std::move(front))), body_(register_module("body", std::move(body))) {
  const double bound = 1 / std::sqrt(static_cast<double>(dim()));
  join_ = register_parameter("join", torch::empty({dim(), dim()}).uniform_(-bound, bound));
}

StatePtr RecurrentFront::Start(int64_t rows) const {
  return std::make_shared<FrontedState>(front_->Start(rows), body_->Start(rows));
}

BlockOutput RecurrentFront::Forward(const Tensor& x, const Tensor& episode_start, const StatePtr& state,
                                    int64_t lookahead, bool want_state, uint64_t noise, const Between& between) const {
  const FrontedState& before = FrontedState::Of(state);
  const BlockOutput front = front_->Forward(x, episode_start, before.front(), lookahead, want_state, noise);
  BlockOutput result =
      body_->Forward(x + Linear(front.y, join_), episode_start, before.body(), lookahead, want_state, noise, between);
  if (want_state) result.state = std::make_shared<FrontedState>(front.state, result.state);
  return result;
}

std::unique_ptr<Stepper> RecurrentFront::Begin(const StatePtr& state, int64_t steps, Between between) const {
  const FrontedState& before = FrontedState::Of(state);
  return std::make_unique<FrontedStepper>(front_->Begin(before.front(), steps),
                                          body_->Begin(before.body(), steps, std::move(between)), join_);
}

StatePtr RecurrentFront::Restore(const TensorMap& saved) const {
  StatePtr body = body_->Restore(saved), front = front_->Restore(saved, kFront);
  Check(front->rows() == body->rows(), "memory state: `", kFront, "clock` must be [", body->rows(), "], got [",
        front->rows(), "]");
  return std::make_shared<FrontedState>(std::move(front), std::move(body));
}

StatePtr RecurrentFront::Gather(const StatePtr& state, const std::vector<int64_t>& rows) const {
  const FrontedState& from = FrontedState::Of(state);
  return std::make_shared<FrontedState>(front_->Gather(from.front(), rows), body_->Gather(from.body(), rows));
}

Flops RecurrentFront::CountFlops(int64_t block, double living) const {
  const Flops body = body_->CountFlops(block, living), front = front_->CountFlops(block, living);
  return {body.step + front.step + 2 * static_cast<double>(join_.numel()), body.bank + front.bank};
}

std::string FrontOf(const CoreOptions& options) {
  const auto* transformer = dynamic_cast<const TransformerOptions*>(&options);
  return transformer != nullptr ? transformer->front : "none";
}

std::shared_ptr<Core> TransformerOptions::Make() const {
  std::shared_ptr<Core> body = MakeBody();
  if (front == "gru") return Behind<Gru, GruOptions>(*this, std::move(body));
  if (front == "lstm") return Behind<Lstm, LstmOptions>(*this, std::move(body));
  return body;
}

}  // namespace lethe::memory
