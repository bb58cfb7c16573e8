// SPDX-License-Identifier: BSD-2-Clause
// An intrusive doubly linked list: membership costs no allocation, and removal needs no list.
#pragma once

namespace vb {

template <class T, class Tag = void>
class List;

/// A base class for each list that T can be on (Tag tells them apart).
template <class T, class Tag = void>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (!linked()) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 private:
  friend class List<T, Tag>;
  ListNode* next_ = nullptr;
  ListNode* prev_ = nullptr;
};

template <class T, class Tag>
class List {
  using Node = ListNode<T, Tag>;

 public:
  List() { head_.next_ = head_.prev_ = &head_; }
  ~List() {
    while (!empty()) head_.next_->unlink();
    head_.next_ = head_.prev_ = nullptr;
  }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return head_.next_ == &head_; }
  /// No effect on a node that is on such a list already.
  void push_back(T& item) {
    Node& node = item;
    if (node.linked()) return;
    node.prev_ = head_.prev_;
    node.next_ = &head_;
    head_.prev_->next_ = &node;
    head_.prev_ = &node;
  }
  T& front() { return static_cast<T&>(*head_.next_); }
  T& pop_front() {
    T& item = front();
    static_cast<Node&>(item).unlink();
    return item;
  }
  /// Moves everything behind what stands in `other`.
  void move_to(List& other) {
    while (!empty()) other.push_back(pop_front());
  }
  /// `visit` may unlink the item it is given, and no other.
  template <class Visit>
  void for_each(Visit visit) {
    for (Node* node = head_.next_; node != &head_;) {
      Node* next = node->next_;
      visit(static_cast<T&>(*node));
      node = next;
    }
  }

 private:
  Node head_;
};

}  // namespace vb
