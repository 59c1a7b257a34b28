#include "stages/core/rows.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

using namespace towpath;

StageSpec Rows::describe() {
  return StageSpec("rows")
      .summary("Hands its rows to the program that embeds this pipeline.")
      .field(field("address", FieldKind::kPath).must().about("The program's local socket."))
      .main_field("address")
      .example("rows: /run/user/1000/program.sock");
}

Rows::Rows(const Settings& settings)
    : address_(settings.get_string("address")), copy_(settings.input()) {}

void Rows::open(Services&, std::optional<std::string_view> position) {
  if (position) std::from_chars(position->data(), position->data() + position->size(), rows_);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address_.size() >= sizeof to.sun_path)
    throw Invalid(format("{} is too long for a socket", address_));
  std::memcpy(to.sun_path, address_.data(), address_.size());
  socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket_ ||
      ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    throw_errno(format("connect({})", address_));
  }
  send(reinterpret_cast<const char*>(&rows_), sizeof rows_);
}

void Rows::write(const Batch& in, Outputs&) {
  copy_.clear();
  for (int64_t row = 0; row < in.rows(); ++row) copy_.add_row_from(in, row);
  for (size_t column = 0; column < in.schema().size(); ++column) {
    copy_.column(column).append(in.column(column), 0, in.rows());
  }
  const BatchBuilder::Layout layout = copy_.layout();
  image_.resize(layout.size);
  copy_.write(layout, image_.data());
  const std::array<uint64_t, 2> head = {layout.size, layout.head_at};
  send(reinterpret_cast<const char*>(head.data()), sizeof head);
  send(image_.data(), image_.size());
  rows_ += static_cast<uint64_t>(in.rows());
}

void Rows::send(const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket_.get(), bytes, size, MSG_NOSIGNAL);
    if (sent < 0)
      throw_errno(format("send({}): the program that reads the rows is gone", address_));
    bytes += sent;
    size -= static_cast<size_t>(sent);
  }
}

std::string Rows::prepare(uint64_t, Outputs&) { return std::to_string(rows_); }
void Rows::commit(uint64_t) {}
void Rows::close() { socket_.reset(); }
void Rows::discard() { socket_.reset(); }

TOWPATH_STAGE(Rows)
