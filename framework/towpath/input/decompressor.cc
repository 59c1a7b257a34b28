#include "towpath/input/decompressor.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <climits>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr std::string_view kGzipMagic = "\x1f\x8b";

class Gzip final : public Decompressor {
 public:
  Gzip() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    expect(inflateInit2(&stream_, kGzipOnly) == Z_OK, "inflateInit2");
  }
  ~Gzip() override { inflateEnd(&stream_); }

  Step run(std::string_view input, char* into, size_t size) override {
    Step step;
    if (between_members_) step.taken = begin_member(input);
    if (between_members_ || step.taken == input.size()) return step;
    const size_t given = std::min<size_t>(input.size() - step.taken, UINT_MAX);
    const size_t room = std::min<size_t>(size, UINT_MAX);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data() + step.taken));
    stream_.avail_in = static_cast<uInt>(given);
    stream_.next_out = reinterpret_cast<Bytef*>(into);
    stream_.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    step.taken += given - stream_.avail_in;
    step.made = room - stream_.avail_out;
    if (result == Z_STREAM_END) {
      between_members_ = true;
      inflateReset(&stream_);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      throw Invalid(format("damaged gzip data: {}", stream_.msg ? stream_.msg : zError(result)));
    }
    return step;
  }

  void end() const override {
    if (!between_members_) throw Invalid("the gzip data end too early");
  }

 private:
  // Behind a member stands another one, or zeros that fill up a tape block: anything else was not
  // written by gzip, and dropping it in silence would hide damage. Returns the bytes to pass over.
  size_t begin_member(std::string_view input) {
    const size_t start = first_ ? 0 : input.find_first_not_of('\0');
    if (start == input.npos) return input.size();
    if (input[start] != kGzipMagic[0])
      throw Invalid("bytes that are not gzip follow the gzip data");
    first_ = false;
    between_members_ = false;
    return start;
  }

  z_stream stream_{};
  bool between_members_ = true;
  bool first_ = true;
};

class Zstd final : public Decompressor {
 public:
  Zstd() : stream_(ZSTD_createDStream()) {
    expect(stream_ != nullptr, "ZSTD_createDStream");
    // A frame may ask for a window of gigabytes; zstd --long=27 is the most that its own tool takes
    // unasked.
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, 27);
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }

  Step run(std::string_view input, char* into, size_t size) override {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{into, size, 0};
    const size_t result = ZSTD_decompressStream(stream_, &out, &in);
    if (ZSTD_isError(result)) {
      throw Invalid(format("damaged zstd data: {}", ZSTD_getErrorName(result)));
    }
    if (in.pos > 0 || out.pos > 0) between_frames_ = result == 0;
    return {.taken = in.pos, .made = out.pos};
  }

  void end() const override {
    if (!between_frames_) throw Invalid("the zstd data end too early");
  }

 private:
  ZSTD_DStream* stream_;
  bool between_frames_ = true;
};

}  // namespace

std::unique_ptr<Decompressor> Decompressor::for_content(std::string_view first_bytes) {
  if (first_bytes.starts_with(kGzipMagic)) return std::make_unique<Gzip>();
  if (first_bytes.size() >= 4) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(first_bytes[i]); };
    const bool frame = byte(0) == 0x28 && byte(1) == 0xb5 && byte(2) == 0x2f && byte(3) == 0xfd;
    const bool skippable =
        (byte(0) & 0xf0) == 0x50 && byte(1) == 0x2a && byte(2) == 0x4d && byte(3) == 0x18;
    if (frame || skippable) return std::make_unique<Zstd>();
  }
  return nullptr;
}

}  // namespace towpath
