#include "analysis/formats/xml_tags.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/bad_input.h"

namespace cambench {
namespace {

constexpr std::size_t longest_tag = 1 << 20, deepest = 256;

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// What cannot stand in the name of an element or attribute.
constexpr auto ends_name_table = [] {
  std::array<bool, 256> table{};
  for (const unsigned char c : {' ', '\n', '\r', '\t', '>', '/', '=', '<'}) table[c] = true;
  return table;
}();
bool ends_name(char c) { return ends_name_table[static_cast<unsigned char>(c)]; }

const char* skip_blanks(const char* at, const char* end) {
  while (at != end && is_blank(*at)) ++at;
  return at;
}
const char* skip_name(const char* at, const char* end) {
  while (at != end && !ends_name(*at)) ++at;
  return at;
}
std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

std::string_view XmlTags::Tag::attribute(std::string_view wanted) const {
  for (const auto& [attribute_name, value] : attributes)
    if (attribute_name == wanted) return value;
  return {};
}

const XmlTags::Tag* XmlTags::next() {
  constexpr std::string_view longest_mark = "<![CDATA[";
  for (;;) {
    at_ = std::min(text_.find('<', at_), text_.size());
    if (text_.size() - at_ < longest_mark.size() && read_on()) continue;
    const auto rest = std::string_view(text_).substr(at_);
    if (rest.empty()) {
      if (!open_at_.empty()) refuse("<" + open_names_.substr(open_at_.back()) + "> is not closed");
      return nullptr;
    }
    if (rest.starts_with("<!--")) {
      pass_through("-->");
    } else if (rest.starts_with(longest_mark)) {
      pass_through("]]>");
    } else if (rest.starts_with("<?")) {
      pass_through("?>");
    } else if (rest.starts_with("<!")) {
      pass_through(">");
    } else if (take_tag()) {
      return &tag_;
    } else if (rest.size() > longest_tag || !read_on()) {
      refuse("a tag does not end");
    }
  }
}

// False when the text ends before the tag does.
bool XmlTags::take_tag() {
  const char* const end = text_.data() + text_.size();
  const char* at = text_.data() + at_ + 1;
  const bool closing = at != end && *at == '/';
  if (closing) ++at;
  const char* const begin = at;
  at = skip_name(at, end);
  if (at == end) return false;
  if (at == begin) refuse("a tag has no name");
  tag_.at = text_ends_ - (text_.size() - at_);
  tag_.name = between(begin, at);
  tag_.opens = !closing;
  tag_.closes = closing;
  if (!take_attributes(at, end)) return false;
  at_ = static_cast<std::size_t>(at - text_.data());
  if (tag_.opens && !tag_.closes) open(tag_.name);
  if (closing) close(tag_.name);
  return true;
}

// From behind the name to behind the end of the tag.
bool XmlTags::take_attributes(const char*& at, const char* end) {
  tag_.attributes.clear();
  for (;;) {
    at = skip_blanks(at, end);
    if (at == end) return false;
    if (*at == '>') return ++at, true;
    if (*at == '/') {
      if (end - at < 2) return false;
      if (at[1] != '>') refuse("a / stands in a tag");
      tag_.closes = true;
      return at += 2, true;
    }
    const char* const begin = at;
    at = skip_name(at, end);
    const auto name = between(begin, at);
    at = skip_blanks(at, end);
    if (at == end) return false;
    if (name.empty() || *at != '=') refuse("an attribute has no name or no value");
    at = skip_blanks(at + 1, end);
    if (at == end) return false;
    if (*at != '"' && *at != '\'') refuse(fmt::format("the value of {} is not quoted", name));
    const char* const value = at + 1;
    at = std::find(value, end, *at);
    if (at == end) return false;
    tag_.attributes.emplace_back(name, between(value, at));
    ++at;
  }
}

std::string_view XmlTags::rest(std::size_t bytes) {
  while (text_.size() - at_ < std::min(bytes, longest_tag) && read_on()) continue;
  return std::string_view(text_).substr(at_);
}

void XmlTags::pass_through(std::string_view mark) {
  for (;;) {
    const auto end = text_.find(mark, at_);
    if (end != std::string::npos) {
      at_ = end + mark.size();
      return;
    }
    at_ = std::max(at_, text_.size() - std::min(text_.size(), mark.size()));
    if (!read_on()) refuse("a comment or declaration does not end");
  }
}

// Forgets what is taken. False at the end of the file.
bool XmlTags::read_on() {
  constexpr std::uint64_t step = 64 * 1024;
  const auto bytes = std::min(step, file_.size() - text_ends_);
  if (bytes == 0) return false;
  text_.erase(0, at_);
  at_ = 0;
  const auto kept = text_.size();
  text_.resize(kept + bytes);
  file_.read(text_ends_, std::span(text_).subspan(kept), "the rest");
  text_ends_ += bytes;
  return true;
}

void XmlTags::open(std::string_view name) {
  if (open_at_.size() == deepest) refuse(fmt::format("more than {} elements lie inside each other", deepest));
  open_at_.push_back(open_names_.size());
  open_names_ += name;
}

void XmlTags::close(std::string_view name) {
  if (open_at_.empty()) refuse(fmt::format("</{}> closes what is not open", name));
  const auto opened = std::string_view(open_names_).substr(open_at_.back());
  if (opened != name) refuse(fmt::format("</{}> stands where </{}> should", name, opened));
  open_names_.resize(open_at_.back());
  open_at_.pop_back();
}

void XmlTags::refuse(std::string_view problem) const {
  throw BadInput(file_.name(), 0,
                 fmt::format("is no XML at byte {}: {}", text_ends_ - (text_.size() - at_), problem),
                 "the file is cut short or damaged: copy or export it again");
}

}  // namespace cambench
