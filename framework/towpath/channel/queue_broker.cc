#include "towpath/channel/queue_broker.h"

#include <algorithm>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

// ── Coming and going ──

QueueBroker::Party& QueueBroker::party(Peer peer) {
  const auto it = parties_.find(peer);
  if (it == parties_.end() || !it->second.present)
    throw Invalid(format("peer {} does not use this queue", peer));
  return it->second;
}

void QueueBroker::join(Peer peer) {
  const auto [it, added] = parties_.try_emplace(peer);
  if (!added && it->second.present) throw Invalid(format("peer {} uses this queue already", peer));
  it->second.present = true;
  ++present_;
  line_.push_back(peer);
  if (shut_) port_.shut(peer);
  if (paused_) port_.pause(peer, true);
}

// All but what it holds.
void QueueBroker::take_back(Party& party) {
  for (ItemRun& run : party.sent.take_all()) ready_.insert(std::move(run));
  room_given_ -= party.room;
  asked_back_ -= party.asked_back ? 1 : 0;
  room_asked_back_ -= party.room_asked_back ? 1 : 0;
  if (party.present) --present_;
  std::map<uint64_t, ItemRun> held = std::move(party.held);
  party = Party{};
  party.held = std::move(held);
  party.present = false;
}

void QueueBroker::forget_if_idle(Peer peer) {
  const auto it = parties_.find(peer);
  if (it != parties_.end() && !it->second.present && it->second.held.empty()) parties_.erase(it);
}

void QueueBroker::part(Peer peer) {
  take_back(party(peer));
  std::erase(line_, peer);
  std::erase_if(room_line_, [peer](const RoomAsked& asked) { return asked.peer == peer; });
  forget_if_idle(peer);
}

void QueueBroker::leave(Peer peer) {
  const auto it = parties_.find(peer);
  if (it == parties_.end()) return;
  if (it->second.present) {
    take_back(it->second);
    std::erase(line_, peer);
    std::erase_if(room_line_, [peer](const RoomAsked& asked) { return asked.peer == peer; });
  }
  size_ += it->second.held.size();
  for (auto& [number, item] : it->second.held) ready_.insert(std::move(item));
  parties_.erase(it);
}

// ── Putting ──

uint64_t QueueBroker::free_room() const {
  const uint64_t taken = size_ + room_given_;
  return taken >= options_.maxsize ? 0 : options_.maxsize - taken;
}

void QueueBroker::ask_room(Peer peer, uint64_t count, Token token) {
  Party& it = party(peer);
  if (options_.maxsize == 0 || count == 0) throw Invalid("room is asked for where there is enough");
  if (it.rooms_asked >= kMaxQuestions) throw Invalid("room is asked for again and again");
  ++it.rooms_asked;
  room_line_.push_back({peer, count, token});
}

void QueueBroker::room_returned(Peer peer, uint64_t count) {
  Party& it = party(peer);
  if (!it.room_asked_back || count > it.room) throw Invalid("room comes back that was not asked");
  it.room -= count;
  room_given_ -= count;
  it.room_asked_back = false;
  it.room_kept = it.room > 0;
  --room_asked_back_;
}

void QueueBroker::put(Peer peer, ItemRun run) {
  Party& it = party(peer);
  if (paused_) {
    it.behind_pause += run.bytes().size();
    if (it.behind_pause > kMaxBehindPause) throw Invalid("items are put in spite of a pause");
  }
  if (options_.maxsize != 0) {
    if (run.count() > it.room) throw Invalid("items are put that there is no room for");
    it.room -= run.count();
    it.room_kept = false;
    room_given_ -= run.count();
  }
  run.number_from(puts_);
  puts_ += run.count();
  size_ += run.count();
  if (options_.joinable) unfinished_ += run.count();
  bytes_ += run.bytes().size();
  ready_.push_back(std::move(run));
}

// Without answers from those who have room and don't use it nobody is told that there is none.
void QueueBroker::serve_room() {
  while (!room_line_.empty()) {
    const RoomAsked asked = room_line_.front();
    if (shut_) {
      port_.room(asked.peer, 0, asked.token);
    } else if (const uint64_t free = free_room(); free > 0) {
      // Who asks for more than one has none waiting yet for the rest.
      const uint64_t share = std::max<uint64_t>(1, free / room_line_.size());
      const uint64_t count = std::min(asked.count, share);
      Party& it = party(asked.peer);
      it.room += count;
      it.room_kept = false;
      room_given_ += count;
      port_.room(asked.peer, count, asked.token);
    } else {
      ask_room_back(asked.peer);
      if (room_asked_back_ > 0) return;
      // Those behind the first who can't wait are not to wait for it.
      std::erase_if(room_line_, [this](const RoomAsked& other) {
        if (other.token == 0) return false;
        port_.room(other.peer, 0, other.token);
        --party(other.peer).rooms_asked;
        return true;
      });
      return;
    }
    --party(asked.peer).rooms_asked;
    room_line_.pop_front();
  }
}

void QueueBroker::ask_room_back(Peer except) {
  if (room_given_ == 0) return;
  for (auto& [peer, party] : parties_) {
    if (party.room == 0 || party.room_asked_back || party.room_kept || peer == except) continue;
    party.room_asked_back = true;
    ++room_asked_back_;
    port_.give_back_room(peer);
  }
}

void QueueBroker::check_memory() {
  const bool pause = paused_ ? bytes_ > options_.max_bytes / 4 * 3 : bytes_ > options_.max_bytes;
  if (pause == paused_) return;
  paused_ = pause;
  for (auto& [peer, party] : parties_) {
    party.behind_pause = 0;
    if (party.present) port_.pause(peer, pause);
  }
}

// ── Getting ──

void QueueBroker::want(Peer peer, uint64_t count, uint64_t waiting, Token token) {
  Party& it = party(peer);
  it.waiting = waiting;
  if (waiting == 0) it.promised = 0;
  if (token != 0) {
    if (it.now.size() >= kMaxQuestions) throw Invalid("items are asked for again and again");
    it.now.push_back(token);
    it.wants = std::max(it.wants, count);
  } else {
    it.wants = count;
  }
}

void QueueBroker::got(Peer peer, uint64_t count) {
  Party& it = party(peer);
  if (count > it.sent.count()) throw Invalid("more items were got than sent");
  size_ -= count;
  if (count > 0) it.is_idle = false;
  const uint64_t served = std::min(it.promised, count);
  it.promised -= served;
  it.waiting -= std::min(it.waiting, served);
  const uint64_t before = it.sent.bytes();
  for (; count > 0; --count) {
    if (options_.joinable) {
      // bytes_ is what the items take: one of them is not to keep a whole message.
      ItemRun item = it.sent.take_front(1);
      item.let_go_of_message();
      it.held.emplace(item.first(), std::move(item));
    } else {
      it.sent.drop_front();
    }
  }
  if (!options_.joinable) bytes_ -= before - it.sent.bytes();
}

void QueueBroker::returned(Peer peer, uint64_t count) {
  Party& it = party(peer);
  if (!it.asked_back || count > it.sent.count())
    throw Invalid("items come back that were not asked for");
  for (ItemRun& run : it.sent.take_behind(it.sent.count() - count).take_all())
    ready_.insert(std::move(run));
  it.asked_back = false;
  --asked_back_;
  it.promised = it.sent.count();  // its threads are about to take what it keeps
  it.wants = it.waiting;
}

// To those with threads that wait, or to those who want some for later.
void QueueBroker::serve(bool waiting) {
  const auto is_one = [waiting](const Party& it) {
    if (it.asked_back) return false;
    return waiting ? it.waiting > it.promised || !it.now.empty() : it.wants > 0;
  };
  auto others = static_cast<uint64_t>(std::count_if(
      line_.begin(), line_.end(), [&](Peer peer) { return is_one(parties_.at(peer)); }));
  for (size_t i = 0; i < line_.size() && others > 0 && !ready_.empty(); ++i) {
    const Peer peer = line_.front();
    line_.pop_front();
    line_.push_back(peer);
    Party& it = parties_.at(peer);
    if (!is_one(it)) continue;
    const uint64_t share = (ready_.count() + others - 1) / others;
    --others;
    send(peer, it, std::min(share, std::max<uint64_t>(it.wants, 1)));
  }
}

void QueueBroker::send(Peer peer, Party& party, uint64_t most) {
  const uint64_t waiting = party.waiting + party.now.size();
  uint64_t count = 0;
  while (count < most && !ready_.empty()) {
    const uint64_t bytes = party.sent.bytes();
    if (bytes >= kAhead && party.sent.count() > 0 && count >= waiting) break;
    ItemRun run = ready_.take_front(most - count, bytes >= kAhead ? 0 : kAhead - bytes);
    port_.items(peer, run);
    count += run.count();
    party.sent.push_back(std::move(run));
  }
  if (count == 0) return;
  served_.push_back(peer);
  party.wants -= std::min(party.wants, count);
  party.promised = std::min(waiting, party.promised + count);
  for (; !party.now.empty(); party.now.pop_front()) port_.status(peer, party.now.front(), status());
}

// Others wait: whoever has more than its threads wait for gives the rest back.
void QueueBroker::ask_items_back() {
  for (auto& [peer, party] : parties_) {
    if (party.asked_back || party.sent.count() <= party.promised) continue;
    party.asked_back = true;
    ++asked_back_;
    port_.give_back_items(peer);
  }
}

// Who has items from before others were last sent some, and has got none of them since.
void QueueBroker::ask_idle_back() {
  const std::deque<Peer> served = std::exchange(served_, {});
  if (served.empty()) return;
  for (auto& [peer, party] : parties_) {
    if (party.asked_back || party.sent.count() <= party.promised) continue;
    if (std::ranges::find(served, peer) != served.end()) continue;
    if (!std::exchange(party.is_idle, true)) continue;
    party.is_idle = false;
    party.asked_back = true;
    ++asked_back_;
    port_.give_back_items(peer);
  }
}

// Nothing is ready, and nobody has anything to give back.
void QueueBroker::answer_empty() {
  const Status now = status();
  for (auto& [peer, party] : parties_) {
    for (; !party.now.empty(); party.now.pop_front()) port_.nothing(peer, party.now.front(), now);
    if (shut_ && size_ == 0 && party.waiting > 0) {
      port_.nothing(peer, 0, now);
      party.waiting = party.wants = 0;
    }
  }
}

// ── Being done ──

bool QueueBroker::finish(Party& party, uint64_t number) {
  const auto it = party.held.find(number);
  if (it == party.held.end()) return false;
  bytes_ -= it->second.bytes().size();
  party.held.erase(it);
  --unfinished_;
  return true;
}

void QueueBroker::done(Peer peer, uint64_t number) {
  Party& it = party(peer);
  // Another peer may have said so for it: then this one is done with what comes next.
  if (!finish(it, number) && !it.held.empty()) finish(it, it.held.begin()->first);
}

void QueueBroker::done_any(Peer peer, Token token) {
  party(peer);
  auto first = parties_.end();
  for (auto it = parties_.begin(); it != parties_.end(); ++it) {
    if (it->second.held.empty()) continue;
    if (first == parties_.end() ||
        it->second.held.begin()->first < first->second.held.begin()->first)
      first = it;
  }
  const bool found = first != parties_.end();
  if (found) {
    const Peer owner = first->first;
    finish(first->second, first->second.held.begin()->first);
    forget_if_idle(owner);
  }
  port_.finished(peer, token, found);
}

// ── The rest ──

QueueBroker::Status QueueBroker::status() const { return {size_, unfinished_, shut_}; }

void QueueBroker::ask_status(Peer peer, Token token, uint64_t tell) {
  Party& it = party(peer);
  if (size_ == 0 && !shut_) it.tell |= tell & kWhenSomething;
  if (unfinished_ > 0) it.tell |= tell & kWhenFinished;
  port_.status(peer, token, status());
}

void QueueBroker::tell() {
  const uint64_t so = (size_ > 0 || shut_ ? uint64_t{kWhenSomething} : 0) |
                      (unfinished_ == 0 ? uint64_t{kWhenFinished} : 0);
  if (so == 0) return;
  for (auto& [peer, party] : parties_) {
    if ((party.tell & so) == 0) continue;
    party.tell &= ~so;
    port_.status(peer, 0, status());
  }
}

void QueueBroker::shut_down() {
  if (shut_) return;
  shut_ = true;
  for (const auto& [peer, party] : parties_) {
    if (party.present) port_.shut(peer);
  }
}

void QueueBroker::settle() {
  check_memory();
  tell();  // before the items: who is told looks for them
  if (!ready_.empty()) serve(true);
  if (!ready_.empty()) serve(false);
  ask_idle_back();
  if (ready_.empty()) {
    const bool waited_for = std::ranges::any_of(parties_, [](const auto& it) {
      return it.second.waiting > it.second.promised || !it.second.now.empty();
    });
    if (waited_for) {
      ask_items_back();
      if (asked_back_ == 0) answer_empty();
    }
  }
  serve_room();
}

}  // namespace towpath
