// Numbers in rows and columns, stored row by row. Only a place to keep them: the mathematics is done in .cpp files.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace cambench {

class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns), values_(rows * columns) {}

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] double& operator()(std::size_t row, std::size_t column) {
    return values_[row * columns_ + column];
  }
  [[nodiscard]] double operator()(std::size_t row, std::size_t column) const {
    return values_[row * columns_ + column];
  }
  [[nodiscard]] std::span<const double> row(std::size_t i) const {
    return {values_.data() + i * columns_, columns_};
  }
  [[nodiscard]] std::span<double> row(std::size_t i) { return {values_.data() + i * columns_, columns_}; }

  friend bool operator==(const Matrix&, const Matrix&) = default;

 private:
  std::size_t rows_ = 0, columns_ = 0;
  std::vector<double> values_;
};

}  // namespace cambench
