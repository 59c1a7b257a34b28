#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace towpath {

// Turns the bytes of one compressed file into its text, piece by piece.
class Decompressor {
 public:
  struct Step {
    size_t taken = 0;  // bytes of the input that are done with
    size_t made = 0;   // bytes of text written
  };
  virtual ~Decompressor() = default;
  // Throws Invalid that says what is wrong with the input; the caller knows where.
  virtual Step run(std::string_view input, char* into, size_t size) = 0;
  // The input has ended here. Throws Invalid when that is too early.
  virtual void end() const = 0;

  // The one for a file that begins with these bytes (at most 4 are looked at); null: plain text.
  static std::unique_ptr<Decompressor> for_content(std::string_view first_bytes);
};

}  // namespace towpath
