#ifndef MSGPACK_NO_BOOST
#define MSGPACK_NO_BOOST
#endif
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <msgpack/pack.hpp>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/codec.h"

namespace towpath {

struct Encoder::State {
  // What msgpack-c packs into. A few bytes stay here; more are in a string, so that take() costs no
  // copy. It is longer than what was written: heads and numbers, of a size known to the compiler,
  // are a store or two.
  class Stream {
   public:
    void write(const char* data, size_t size) {
      if (size > room_ - used_) return grow(data, size);
      std::memcpy(begin_ + used_, data, size);
      used_ += size;
    }
    void write(std::string_view bytes) {
      if (!bytes.empty()) write(bytes.data(), bytes.size());
    }
    std::string_view bytes() const { return {begin_, used_}; }
    void clear() { used_ = 0; }
    // Some keep what they take for long: it has no more memory than twice what it needs.
    std::string take() {
      const size_t used = std::exchange(used_, 0);
      if (begin_ == few_ || used <= bytes_.capacity() / 2) return std::string(begin_, used);
      bytes_.resize(used);
      begin_ = few_;
      room_ = sizeof few_;
      return std::exchange(bytes_, {});
    }

    void drain_to(std::function<void(std::string_view)> drain) { drain_ = std::move(drain); }

   private:
    [[gnu::noinline]] void grow(const char* data, size_t size) {
      constexpr size_t kFirst = 240, kMost = 4096;  // what is made ahead has a cost, too
      constexpr size_t kDrained = 1 << 20;
      if (drain_ && used_ + size > kDrained) {
        drain_({begin_, std::exchange(used_, 0)});
        if (size > kDrained) return drain_({data, size});
        if (size <= room_) return write(data, size);
      }
      const size_t ahead = size > kMost ? 0 : std::clamp(used_, kFirst, kMost);
      if (begin_ == few_) {
        bytes_.reserve(used_ + size + ahead);
        bytes_.assign(few_, used_);
      } else {
        bytes_.resize(used_);
        room_ = used_;  // where there is no memory
        bytes_.reserve(used_ + size + ahead);
      }
      bytes_.append(data, size);
      bytes_.resize(used_ + size + ahead);
      used_ += size;
      begin_ = bytes_.data();
      room_ = bytes_.size();
    }

    std::function<void(std::string_view)> drain_;
    char few_[64];
    std::string bytes_;
    char* begin_ = few_;
    size_t room_ = sizeof few_;
    size_t used_ = 0;
  } stream;
  msgpack::packer<Stream> packer{stream};
};

namespace {

uint32_t checked(size_t size) {
  if (size > std::numeric_limits<uint32_t>::max()) {
    throw NotSerialisable(
        format("{} bytes or values at once; MessagePack allows 4294967295", size));
  }
  return static_cast<uint32_t>(size);
}

void encode_object(Encoder& out, const Object& value, size_t depth) {
  if (value.is_nil()) {
    out.nil();
  } else if (value.is_bool()) {
    out.boolean(value.as_bool());
  } else if (value.is_int()) {
    out.integer(value.as_int());
  } else if (value.is_uint()) {
    out.unsigned_integer(value.as_uint());
  } else if (value.is_float()) {
    out.real(value.as_float());
  } else if (value.is_string()) {
    out.string(value.as_string());
  } else if (value.is_binary()) {
    out.binary(value.as_binary());
  } else {
    if (depth >= kMaxDepth) {
      throw NotSerialisable(format("arrays and maps are nested deeper than {}", kMaxDepth));
    }
    if (value.is_array()) {
      out.array(value.as_array().size());
      for (const Object& each : value.as_array()) encode_object(out, each, depth + 1);
    } else {
      out.map(value.as_map().size());
      for (const auto& [key, each] : value.as_map()) {
        encode_object(out, key, depth + 1);
        encode_object(out, each, depth + 1);
      }
    }
  }
}

}  // namespace

Encoder::Encoder() : state_(std::make_unique<State>()) {}
Encoder::Encoder(std::function<void(std::string_view)> drain) : Encoder() {
  state_->stream.drain_to(std::move(drain));
}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

void Encoder::nil() { state_->packer.pack_nil(); }
void Encoder::boolean(bool value) {
  value ? state_->packer.pack_true() : state_->packer.pack_false();
}
void Encoder::integer(int64_t value) { state_->packer.pack_int64(value); }
void Encoder::unsigned_integer(uint64_t value) { state_->packer.pack_uint64(value); }

void Encoder::real(double value) {
  // Not pack_double: it turns 3.0 into an integer, and -0.0 into 0.
  const auto bits = std::bit_cast<uint64_t>(value);
  char bytes[9] = {static_cast<char>(0xcb)};
  for (int i = 0; i < 8; ++i) bytes[i + 1] = static_cast<char>(bits >> (56 - 8 * i));
  state_->stream.write(bytes, sizeof bytes);
}

void Encoder::string(std::string_view value) {
  state_->packer.pack_str(checked(value.size()));
  state_->stream.write(value);
}

void Encoder::binary(std::string_view value) {
  state_->packer.pack_bin(checked(value.size()));
  state_->stream.write(value);
}

void Encoder::array(size_t size) { state_->packer.pack_array(checked(size)); }
void Encoder::map(size_t size) { state_->packer.pack_map(checked(size)); }
void Encoder::object(const Object& value) { encode_object(*this, value, 0); }
void Encoder::raw(std::string_view encoded) { state_->stream.write(encoded); }

std::string_view Encoder::bytes() const { return state_->stream.bytes(); }
std::string Encoder::take() { return state_->stream.take(); }
void Encoder::clear() { state_->stream.clear(); }

}  // namespace towpath
