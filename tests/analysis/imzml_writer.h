// Writes imzML for tests: both modes, every number type, with and without zlib. Knows the reader's header no more than
// the reader knows this one; what both rest on is the standard's example files (tests/analysis/imzml.cpp reads those too).
#pragma once
#include <fmt/format.h>
#include <zlib.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/analysis/folder.h"

namespace cambench::tests {

struct ImzmlPixel {
  int x = 1, y = 1;
  std::vector<double> mz, intensity;
  std::string total = {};  ///< MS:1000285; empty: not written
};

struct ImzmlWriter {
  std::vector<ImzmlPixel> pixels;
  int width = 0, height = 0;  ///< 0: not written
  char number = 'f';          ///< f float32, d float64, i int32, l int64
  bool zlib = false, continuous = false;
  std::string checksum = {};    ///< a whole cvParam
  std::string pixel_size = {};  ///< a whole cvParam

  std::string xml, binary;

  void write() {
    binary = std::string("0123456789abcdef");
    std::string spectra, shared_axis;
    for (const auto& pixel : pixels) {
      if (shared_axis.empty() || !continuous) shared_axis = array("mz", pixel.mz);
      spectra += fmt::format("<spectrum id=\"Scan\"><scanList><scan>{}{}</scan></scanList>{}",
                             term("IMS:1000050", pixel.x), term("IMS:1000051", pixel.y),
                             pixel.total.empty() ? "" : term("MS:1000285", pixel.total));
      spectra += "<binaryDataArrayList>" + shared_axis + array("intensity", pixel.intensity) +
                 "</binaryDataArrayList></spectrum>\n";
    }
    xml =
        "<?xml version=\"1.0\"?>\n<mzML "
        "xmlns=\"http://psi.hupo.org/ms/mzml\"><fileDescription><fileContent>" +
        term("IMS:1000080", "{30313233-3435-3637-3839-616263646566}") + checksum +
        "</fileContent></fileDescription><referenceableParamGroupList>" + group("mz", "MS:1000514") +
        group("intensity", "MS:1000515") + "</referenceableParamGroupList><scanSettingsList><scanSettings>" +
        (width ? term("IMS:1000042", width) : "") + (height ? term("IMS:1000043", height) : "") + pixel_size +
        "</scanSettings></scanSettingsList><run><spectrumList count=\"" + std::to_string(pixels.size()) +
        "\">" + spectra + "</spectrumList></run></mzML>\n";
  }

  template <typename T>
  static std::string term(std::string_view accession, const T& value) {
    return fmt::format("<cvParam value=\"{}\" accession=\"{}\" name=\"any\"/>", value, accession);
  }

 private:
  std::string group(std::string_view name, std::string_view role) const {
    const auto type = number == 'f'   ? "MS:1000521"
                      : number == 'd' ? "MS:1000523"
                      : number == 'i' ? "IMS:1000141"
                                      : "MS:1000522";
    return fmt::format("<referenceableParamGroup id=\"{}\">{}{}{}</referenceableParamGroup>", name,
                       term(role, ""), term(type, ""), term(zlib ? "MS:1000574" : "MS:1000576", ""));
  }

  std::string array(std::string_view group_name, const std::vector<double>& values) {
    std::string bytes;
    for (const double value : values) switch (number) {
        case 'f': bytes += bytes_of(static_cast<float>(value)); break;
        case 'd': bytes += bytes_of(value); break;
        case 'i': bytes += bytes_of(static_cast<std::int32_t>(value)); break;
        default: bytes += bytes_of(static_cast<std::int64_t>(value)); break;
      }
    if (zlib) {
      std::string packed(compressBound(bytes.size()), '\0');
      uLongf size = packed.size();
      compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
               bytes.size());
      bytes = packed.substr(0, size);
    }
    const auto offset = binary.size();
    binary += bytes;
    return fmt::format(
        "<binaryDataArray><referenceableParamGroupRef ref=\"{}\"/>{}{}{}<binary/></binaryDataArray>",
        group_name, term("IMS:1000102", offset), term("IMS:1000103", values.size()),
        term("IMS:1000104", bytes.size()));
  }
};

}  // namespace cambench::tests
