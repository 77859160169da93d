import CRuntime
import CTestModels
import Foundation
import XCTest

/// Readers of images: IDX, CIFAR-10, NPY, NPZ, and folders of PNG and JPEG files.
final class ImageFileTests: XCTestCase {
  // MARK: - IDX

  func testIDXPlainAndCompressed() throws {
    try withFolder { folder in
      let pixels: [UInt8] = Array(0..<6) + Array(100..<106) + [255, 0, 255, 0, 255, 0]
      try write(idx([3, 2, 3], pixels), folder + "/train-images-idx3-ubyte")
      try write(idx([3], [7, 0, 2]), folder + "/train-labels-idx1-ubyte")
      XCTAssertEqual(test_write_gzip(folder + "/i.gz", idx([3, 2, 3], pixels), 16 + 18), 0)
      XCTAssertEqual(test_write_gzip(folder + "/l.gz", idx([3], [7, 0, 2]), 8 + 3), 0)
      for source in ["idx\t\(folder)/train-images-idx3-ubyte\n", "idx\t\(folder)/i.gz\t\(folder)/l.gz\n"] {
        try withImages(source) { loaded in
          XCTAssertEqual(loaded.count, 3)
          let e = loaded.images.encoding
          XCTAssertEqual([e.channels, e.height, e.width], [1, 2, 3])
          XCTAssertEqual((0..<3).map { loaded.bytes($0) }, [Array(0..<6), Array(100..<106), [255, 0, 255, 0, 255, 0]])
          XCTAssertEqual(loaded.labels, [7, 0, 2])
          XCTAssertEqual(loaded.classes, (0...7).map(String.init))
          assertEqual(loaded.inputs([1])[0], (100..<106).map { Double($0) / 255 }, accuracy: 1e-15)
        }
      }
    }
  }

  /// What a byte becomes in f32 is exactly byte / 255 in f32.
  func testBytesAreDividedBy255() throws {
    try withFolder { folder in
      try write(idx([1, 16, 16], Array(0...255)), folder + "/images")
      try write(idx([1], [1]), folder + "/labels")
      try withImages("idx\t\(folder)/images\n") { loaded in
        var images = loaded.images
        var values = [Float](repeating: 0, count: 256)
        gradc_images_gather(&images, [0], 1, false, 0, 0, GRADC_F32, &values)
        XCTAssertEqual(values, (0...255).map { Float($0) / 255 })
      }
      try withImages("idx\t\(folder)/images\nscale\tnone\n") { loaded in XCTAssertEqual(loaded.inputs([0])[0], (0...255).map(Double.init)) }
    }
  }

  func testIDXOfFourDimensions() throws {
    try withFolder { folder in
      let last: [UInt8] = Array(0..<12)  // 2 x 2 pixels of 3 channels
      let first: [UInt8] = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
      try write(idx([1, 2, 2, 3], last), folder + "/images")
      try write(idx([1, 3, 2, 2], first), folder + "/first-images")
      try write(idx([1], [0]), folder + "/labels")
      for name in ["images", "first-images"] {
        try withImages("idx\t\(folder)/\(name)\t\(folder)/labels\nscale\tnone\n") { loaded in
          XCTAssertEqual(loaded.bytes(0), last)
          XCTAssertEqual(loaded.inputs([0])[0], first.map(Double.init))
        }
        try withImages("idx\t\(folder)/\(name)\t\(folder)/labels\nscale\tnone\nlayout\tchannels_last\n") { loaded in
          XCTAssertEqual(loaded.inputs([0])[0], last.map(Double.init))
        }
      }
    }
  }

  func testIDXErrors() throws {
    try withFolder { folder in
      let images = folder + "/images", labels = folder + "/labels"
      func message(_ image: [UInt8], _ label: [UInt8], _ more: String = "", model: ImagePorts? = nil) throws -> String {
        try write(image, images)
        try write(label, labels)
        return imageFailure("idx\t\(images)\t\(labels)\n" + more, model: model)
      }
      let good = idx([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8])
      assertContains(try message(good, idx([3], [0, 1, 2])), labels, "3 labels", "2 images")
      assertContains(try message([1] + good.dropFirst(), idx([2], [0, 1])), images, "no IDX file", "1 0 8 3")
      assertContains(try message([0, 0, 13, 3] + good.dropFirst(4), idx([2], [0, 1])), "0x0d", "byte 2")
      assertContains(try message(idx([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), idx([2], [0, 1])), "2 dimensions", "3 or 4")
      assertContains(try message(Array(good.dropLast()), idx([2], [0, 1])), images, "cut off at byte 23")
      assertContains(try message(good, Array(idx([2], [0, 1]).dropLast())), labels, "cut off at byte 9")
      assertContains(try message(Array(good.prefix(9)), idx([2], [0, 1])), "cut off in its header at byte 9")
      assertContains(try message(idx([1 << 31, 65535, 65535], []), idx([1 << 31], [])), "million")
      assertContains(try message(idx([1 << 31, 256, 256], []), idx([1 << 31], [])), "announces", "holds 0")
      assertContains(try message(good, idx([2], [0, 9]), model: ImagePorts([1, 2, 2], classes: 3)), "image 2", "label 9", "0 to 2")
      assertContains(try message(good, idx([2], [0, 1]), model: ImagePorts([1, 4, 4], classes: 3)), "2 x 2", "4 x 4", "resize")
      assertContains(try message(good, idx([2], [0, 1]), model: ImagePorts([3, 2, 2], classes: 3)), "1 channels", "expected 3", "color")
      assertContains(try message(good, idx([2], [0, 1]), model: ImagePorts([5], classes: 3)), "1 x 2 x 2 = 4", "takes 5")
      assertContains(imageFailure("idx\t\(folder)/none\n"), "cannot open \(folder)/none", "--data")
      assertContains(imageFailure("idx\t\(folder)\t\(labels)\n"), "folder")
      try write(good, folder + "/pictures")
      assertContains(imageFailure("idx\t\(folder)/pictures\n"), "where are its labels")
    }
  }

  /// Damaged compressed files name the place, and with skip_bad what came before it is kept.
  func testDamagedGzip() throws {
    try withFolder { folder in
      let path = folder + "/images.gz"
      try write(idx([100], (0..<100).map { UInt8($0 % 10) }), folder + "/labels")
      let whole = idx([100, 20, 20], noise(40000, key: 3))
      XCTAssertEqual(test_write_gzip(path, whole, whole.count), 0)
      let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
      let recipe = "idx\t\(path)\t\(folder)/labels\n"
      try write(Array(bytes.prefix(20000)), path)
      assertContains(imageFailure(recipe), path, "cut off at byte 20000", "--skip-bad")
      try withImages(recipe + "skip_bad\n") { loaded in
        XCTAssertGreaterThan(loaded.count, 30)
        XCTAssertEqual(loaded.count + loaded.images.skipped, 100)
        XCTAssertEqual(loaded.bytes(30), Array(whole[(16 + 30 * 400)..<(16 + 31 * 400)]))
        assertContains(loaded.skipped ?? "", "\(loaded.images.skipped) images could not be read and were left out", "cut off")
      }
      var damaged = bytes
      damaged[bytes.count - 6] ^= 0x55  // the check sum
      try write(damaged, path)
      assertContains(imageFailure(recipe), path, "damaged near byte", "incorrect data check")
      try withImages(recipe + "skip_bad\n") { loaded in
        XCTAssertEqual(loaded.count, 100)
        assertContains(loaded.skipped ?? "", "damage", "incorrect data check")
      }
    }
  }

  // MARK: - CIFAR-10

  private func record(_ label: UInt8, _ key: UInt64) -> [UInt8] { [label] + noise(3072, key: key) }

  func testCIFAR() throws {
    try withFolder { folder in
      try write(record(3, 1) + record(0, 2), folder + "/a.bin")
      let last = record(9, 3)
      XCTAssertEqual(test_write_gzip(folder + "/b.bin.gz", last, last.count), 0)
      try write(record(5, 4), folder + "/test.bin")
      let names = ["airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
      try write(Array((names.joined(separator: "\n") + "\n\n").utf8), folder + "/batches.meta.txt")
      try withImages("cifar\t\(folder)/a.bin\t\(folder)/b.bin.gz\ntest_data\t\(folder)/test.bin\nscale\tnone\n") { loaded in
        XCTAssertEqual(loaded.labels, [3, 0, 9, 5])
        XCTAssertEqual(loaded.classes, names)
        XCTAssertEqual(String(cString: gradc_encoder_label(&loaded.encoder, 3)), "cat")
        XCTAssertEqual(loaded.part(GRADC_PART_TRAIN), [0, 1, 2])
        XCTAssertEqual(loaded.part(GRADC_PART_TEST), [3])
        XCTAssertEqual(loaded.inputs([2])[0], noise(3072, key: 3).map(Double.init))
        let pixel = 32 * 5 + 7
        XCTAssertEqual(
          Array(loaded.bytes(1)[3 * pixel..<3 * pixel + 3]), [0, 1024, 2048].map { noise(3072, key: 2)[$0 + pixel] })
      }
      try write(record(3, 1) + record(12, 2) + record(4, 5) + [1, 2, 3, 4], folder + "/a.bin")
      assertContains(imageFailure("cifar\t\(folder)/a.bin\n"), "a.bin", "label at byte 3073 is 12", "0 to 9")
      try withImages("cifar\t\(folder)/a.bin\nskip_bad\n") { loaded in
        XCTAssertEqual(loaded.labels, [3, 4])
        XCTAssertEqual(loaded.images.skipped, 2)
        assertContains(loaded.skipped ?? "", "label at byte 3073", "cut off at byte 9223")
      }
      try write([1] + record(3, 1), folder + "/a.bin")
      assertContains(imageFailure("cifar\t\(folder)/a.bin\n"), "CIFAR-100")
      try write([], folder + "/a.bin")
      assertContains(imageFailure("cifar\t\(folder)/a.bin\n"), "empty")
    }
  }

  // MARK: - Arrays

  func testNPY() throws {
    try withFolder { folder in
      let x = folder + "/x.npy", y = folder + "/y.npy"
      let recipe = "npy\t\(x)\t\(y)\nscale\tnone\n"
      try write(npy("<i8", [2], littleEndian([1, 0] as [Int64])), y)
      try write(npy("|u1", [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]), x)
      try withImages(recipe) { loaded in
        XCTAssertEqual(loaded.inputs([1, 0]), [[5, 6, 7, 8], [1, 2, 3, 4]])
        XCTAssertEqual(loaded.labels, [1, 0])
      }
      // The model's order decides where both would do; else the colour is where 3 or 1 stands.
      try write(npy("|u1", [2, 3, 1, 3], Array(0..<18)), x)
      try withImages(recipe, model: ImagePorts([3, 1, 3], classes: 2)) { XCTAssertEqual($0.inputs([0])[0], (0..<9).map(Double.init)) }
      try withImages(recipe) { XCTAssertEqual($0.bytes(0), Array(0..<9)) }
      let floats: [Float] = [0, 0.5, -1, 2, 1e-3, 7, 8, 9]
      try write(npy("<f4", [2, 4], littleEndian(floats)), x)
      assertContains(imageFailure(recipe), "rows of 4 values", "image_size")
      try withImages(recipe + "image_size\t2\t2\ncolor\tgray\n") { loaded in
        XCTAssertEqual(loaded.inputs([0, 1]), [[0, 0.5, -1, 2], [Double(Float(1e-3)), 7, 8, 9]])
        var images = loaded.images
        var picture = [UInt8](repeating: 9, count: 4)
        gradc_images_picture(&images, 0, &picture)
        XCTAssertEqual(picture, [85, 128, 0, 255])
      }
      try write(npy("<f8", [2, 2, 2], littleEndian([1, 2, 3, 4, 5, 6, 7, .nan] as [Double])), x)
      assertContains(imageFailure(recipe), "image 2", "not finite")
      try write(npy("<f8", [3, 2, 2], littleEndian([Double](repeating: 0, count: 12))), x)
      assertContains(imageFailure(recipe), "2 labels for 3 images")
      try write(npy("|u1", [2, 5, 5, 5], [UInt8](repeating: 0, count: 250)), x)
      assertContains(imageFailure(recipe), "which dimension is the colour")
    }
  }

  /// numpy.savez(x=arange(1, 9, dtype=u1).reshape(2, 2, 2), y=array([2, 1], dtype=i4)), as NumPy 2 wrote it.
  private let stored = Data(
    base64Encoded:
      "UEsDBC0AAAAAAAAAIQA7gJ0C//////////8FABQAeC5ucHkBABAAiAAAAAAAAACIAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJ3x1MScsICdmb3J0cmFu"
      + "X29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgyLCAyLCAyKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
      + "ICAKAQIDBAUGBwhQSwMELQAAAAAAAAAhAAZRkLH//////////wUAFAB5Lm5weQEAEACIAAAAAAAAAIgAAAAAAAAAk05VTVBZAQB2AHsnZGVzY3InOiAnPGk0"
      + "JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
      + "ICAgICAgICAgICAgIAoCAAAAAQAAAFBLAQItAy0AAAAAAAAAIQA7gJ0CiAAAAIgAAAAFAAAAAAAAAAAAAACAAQAAAAB4Lm5weVBLAQItAy0AAAAAAAAAIQAG"
      + "UZCxiAAAAIgAAAAFAAAAAAAAAAAAAACAAb8AAAB5Lm5weVBLBQYAAAAAAgACAGYAAAB+AQAAAAA=")!
  /// numpy.savez_compressed(pictures=(arange(40 * 28 * 28) % 7).astype(u1).reshape(40, 28, 28), kinds=arange(40) % 3).
  private let deflated = Data(
    base64Encoded:
      "UEsDBC0AAAAIAAAAIQCX3nsa//////////8MABQAcGljdHVyZXMubnB5AQAQAAB7AAAAAAAAnAAAAAAAAADtyD0OAVEABOBdf4VTvO6RbIEoxAF0RKNQyYYV"
      + "hSC7aHAKF2avoFJ8k0y+zLwXq/lynSb35BF3RbUt4zTE520YsxD35/Ja5qfNudwV9T/Lj1Xx/atDfim+uzceZGE0qdvPwiv8kG6SNpqtdgcAAAAAAAAAAAAA"
      + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB/wgdQSwMELQAAAAgAAAAhAGN+c/z//////////wkAFABraW5kcy5ucHkBABAAwAEAAAAAAABS"
      + "AAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GiYGOpo6CrUK5AMuBihghNJMDKhgVBy/OABQ"
      + "SwECLQMtAAAACAAAACEAl957GpwAAAAAewAADAAAAAAAAAAAAAAAgAEAAAAAcGljdHVyZXMubnB5UEsBAi0DLQAAAAgAAAAhAGN+c/xSAAAAwAEAAAkAAAAA"
      + "AAAAAAAAAIAB2gAAAGtpbmRzLm5weVBLBQYAAAAAAgACAHEAAABnAQAAAAA=")!

  func testNPZ() throws {
    try withFolder { folder in
      let path = folder + "/a.npz"
      try write(Array(stored), path)
      try withImages("npz\t\(path)\n") { loaded in
        XCTAssertEqual((0..<2).map { loaded.bytes($0) }, [[1, 2, 3, 4], [5, 6, 7, 8]])
        XCTAssertEqual(loaded.labels, [2, 1])
      }
      try write(Array(deflated), path)
      assertContains(imageFailure("npz\t\(path)\n"), "no array \"x\"", "pictures, kinds", "x=NAME")
      try withImages("npz\t\(path)\tx=pictures\ty=kinds\n") { loaded in
        XCTAssertEqual(loaded.labels, (0..<40).map { Double($0 % 3) })
        for row in [0, 17, 39] { XCTAssertEqual(loaded.bytes(row), (0..<784).map { UInt8((row * 784 + $0) % 7) }) }
      }
    }
  }

  func testDamagedNPZ() throws {
    try withFolder { folder in
      let path = folder + "/a.npz"
      for (whole, recipe) in [(stored, "npz\t\(path)\n"), (deflated, "npz\t\(path)\tx=pictures\ty=kinds\n")] {
        let bytes = Array(whole)
        for count in Swift.stride(from: 0, to: bytes.count, by: 7) {
          try write(Array(bytes.prefix(count)), path)
          assertContains(imageFailure(recipe), path, "at byte \(count)", "cut off")
        }
        for trial in 0..<400 as Range<UInt64> {
          var damaged = bytes
          damaged[Int(gradc_random(trial, 0) % UInt64(bytes.count))] ^= UInt8(1 + gradc_random(trial, 1) % 255)
          try write(damaged, path)
          try? withImages(recipe) { XCTAssertEqual($0.count, whole == stored ? 2 : 40) }
        }
        var damaged = bytes
        damaged[100 + (whole == stored ? 70 : 40)] ^= 1  // within the first array
        try write(damaged, path)
        assertContains(imageFailure(recipe), path, "bad NPZ file at byte")
      }
    }
  }

  // MARK: - Folders of PNG and JPEG files

  private func sizes(_ folder: String) -> String { "images\t\(folder)\nimage_size\t2\t2\nscale\tnone\nlayout\tchannels_last\n" }

  func testPNGOfAllKinds() throws {
    try withFolder { folder in
      let gray: [UInt8] = [0, 50, 200, 255]
      let color: [UInt8] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30]
      try writePNG(folder + "/a/1.png", gray, 2, 2, channels: 1)
      try writePNG(folder + "/a/2.png", gray, 2, 2, channels: 1, depth: 16)
      try writePNG(folder + "/b/3.PNG", color, 2, 2, interlaced: true)
      try writePNG(folder + "/b/4.png", color, 2, 2, depth: 16)
      try writePNG(folder + "/b/5.png", [1, 2, 3, 0, 4, 5, 6, 9, 7, 8, 9, 128, 10, 11, 12, 255], 2, 2, channels: 4)
      try writePNG(folder + "/b/6.png", [1, 0, 2, 9, 3, 128, 4, 255], 2, 2, channels: 2)
      XCTAssertEqual(test_write_palette_png(folder + "/b/7.png", [0, 1, 2, 15], 2, 2), 0)
      try write([1], folder + "/b/notes.txt")
      try write([1], folder + "/b/.hidden.png")
      try withImages(sizes(folder)) { loaded in
        XCTAssertEqual(loaded.count, 7)
        XCTAssertEqual(loaded.classes, ["a", "b"])
        XCTAssertEqual(loaded.labels, [0, 0, 1, 1, 1, 1, 1])
        let repeated = gray.flatMap { [$0, $0, $0] }
        let one: [UInt8] = [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
        let palette: [UInt8] = [0, 255, 0, 10, 254, 1, 20, 253, 2, 150, 240, 15]
        XCTAssertEqual((0..<7).map { loaded.bytes($0) }, [repeated, repeated, color, color, Array(1...12), one, palette])
        XCTAssertEqual(
          strings(loaded.dataset.ids).map { String($0.dropFirst(folder.count)) }.prefix(3), ["/a/1.png", "/a/2.png", "/b/3.PNG"])
      }
      // Grey is (299 R + 587 G + 114 B) / 1000: 76.245, 149.685, 29.07, 18.15.
      try withImages(sizes(folder) + "color\tgray\n") { loaded in
        XCTAssertEqual(loaded.bytes(2), [76, 150, 29, 18])
        XCTAssertEqual(loaded.bytes(0), gray)
      }
    }
  }

  func testJPEG() throws {
    try withFolder { folder in
      let color = [UInt8](repeating: 0, count: 16 * 16).flatMap { _ in [200, 100, 50] as [UInt8] }
      try writeJPEG(folder + "/a/1.jpg", color, 16, 16)
      try writeJPEG(folder + "/a/2.JPEG", color, 16, 16, progressive: true)
      try writeJPEG(folder + "/b/3.jpg", [UInt8](repeating: 77, count: 64), 8, 8, channels: 1)
      try withImages(sizes(folder)) { loaded in
        for row in 0..<2 {
          for (found, expected) in zip(loaded.bytes(row), [200, 100, 50, 200, 100, 50]) {
            XCTAssertEqual(Int(found), expected, accuracy: 2, "row \(row)")
          }
        }
        XCTAssertEqual(loaded.bytes(2), [UInt8](repeating: 77, count: 12))
      }
      try writeJPEG(folder + "/b/4.jpg", [UInt8](repeating: 77, count: 256), 8, 8, channels: 4)
      assertContains(imageFailure(sizes(folder)), "b/4.jpg", "CMYK")
    }
  }

  /// Four squares of 8 x 8 grey pixels, stored as EXIF's eight orientations say: each comes out upright.
  func testJPEGIsTurnedUpright() throws {
    // Rows of squares as they are stored; upright they are 10 20 / 30 40 / 50 60.
    let stored: [Int: [[UInt8]]] = [
      1: [[10, 20], [30, 40], [50, 60]], 2: [[20, 10], [40, 30], [60, 50]], 3: [[60, 50], [40, 30], [20, 10]],
      4: [[50, 60], [30, 40], [10, 20]], 5: [[10, 30, 50], [20, 40, 60]], 6: [[20, 40, 60], [10, 30, 50]],
      7: [[60, 40, 20], [50, 30, 10]], 8: [[50, 30, 10], [60, 40, 20]],
    ]
    for (orientation, squares) in stored.sorted(by: { $0.key < $1.key }) {
      for little in [true, false] {
        try withFolder { folder in
          let (height, width) = (8 * squares.count, 8 * squares[0].count)
          let pixels = (0..<height).flatMap { y in (0..<width).map { squares[y / 8][$0 / 8] } }
          for name in ["a/1.jpg", "b/2.jpg"] {
            let path = "\(folder)/\(name)"
            try writeJPEG(path, pixels, height, width, channels: 1)
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            bytes.insert(contentsOf: exif(orientation: orientation, little: little), at: 2)
            try write(bytes, path)
          }
          try withImages("images\t\(folder)\nimage_size\t24\t16\n") { loaded in
            let e = loaded.images.encoding
            XCTAssertEqual([e.height, e.width], [24, 16], "orientation \(orientation)")
            let found = [4, 12].flatMap { x in [4, 12, 20].map { y in Int(loaded.bytes(0)[(y * 16 + x) * e.channels]) } }
            for (a, b) in zip(found, [10, 30, 50, 20, 40, 60]) { XCTAssertEqual(a, b, accuracy: 2, "orientation \(orientation)") }
          }
        }
      }
    }
  }

  /// An APP1 segment whose directory holds the orientation alone.
  private func exif(orientation: Int, little: Bool) -> [UInt8] {
    func number(_ value: Int, _ count: Int) -> [UInt8] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      return little ? bytes : bytes.reversed()
    }
    let tiff =
      Array((little ? "II" : "MM").utf8) + number(42, 2) + number(8, 4) + number(1, 2) + number(0x0112, 2) + number(3, 2) + number(1, 4)
      + number(orientation, 2) + number(0, 2) + number(0, 4)
    let payload = Array("Exif".utf8) + [0, 0] + tiff
    return [0xff, 0xe1, 0, UInt8(payload.count + 2)] + payload
  }

  func testFolderErrors() throws {
    try withFolder { folder in
      assertContains(imageFailure(sizes(folder)), folder, "no sub-folders")
      try writePNG(folder + "/cats/1.png", [1, 2, 3], 1, 1)
      assertContains(imageFailure(sizes(folder)), "one class only", "cats", "at least two")
      try FileManager.default.createDirectory(atPath: folder + "/dogs", withIntermediateDirectories: true)
      assertContains(imageFailure(sizes(folder)), "dogs has no image files")
      try writePNG(folder + "/dogs/1.png", [1, 2, 3], 1, 1)
      assertContains(imageFailure("images\t\(folder)\n"), "image_size")
      assertContains(imageFailure("images\t\(folder)\n", model: ImagePorts([3, 2, 2], classes: 5)), "2 classes", "has 5", "2 units")
      assertContains(imageFailure("images\t\(folder)\n", model: ImagePorts([4, 2, 2], classes: 2)), "takes 4")
      assertContains(imageFailure(sizes(folder) + "class_names\tcats\tbirds\n"), "no sub-folder", "birds")
      try write(Array("GIF89a".utf8), folder + "/dogs/2.png")
      assertContains(imageFailure(sizes(folder)), "dogs/2.png", "byte 0", "neither as a PNG nor as a JPEG")
      try withImages(sizes(folder) + "class_names\tdogs\tcats\nskip_bad\n") { loaded in
        XCTAssertEqual(loaded.labels, [1, 0])
        XCTAssertEqual(loaded.classes, ["dogs", "cats"])
        XCTAssertEqual(loaded.images.skipped, 1)
        assertContains(loaded.skipped ?? "", "1 image could not be read and was left out", "dogs/2.png")
      }
    }
  }

  /// Whatever is cut off or changed in an image file gives an error with the place, or an image; with skip_bad the others are kept.
  func testDamagedImageFiles() throws {
    try withFolder { folder in
      let pixels = noise(12 * 10 * 3, key: 1)
      try writePNG(folder + "/a/1.png", pixels, 12, 10)
      try writePNG(folder + "/a/3.png", pixels, 12, 10, interlaced: true)
      try writeJPEG(folder + "/b/2.jpg", pixels, 12, 10)
      try writeJPEG(folder + "/b/4.jpg", pixels, 12, 10, progressive: true)
      let recipe = sizes(folder) + "skip_bad\n"
      let whole = try withImages(recipe) { loaded in (0..<4).map { loaded.bytes($0) } }
      for name in ["a/1.png", "b/2.jpg", "b/4.jpg"] {
        let path = folder + "/" + name
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        for count in Swift.stride(from: 0, to: bytes.count - 2, by: max(1, bytes.count / 60)) {
          try write(Array(bytes.prefix(count)), path)
          assertContains(imageFailure(sizes(folder)), path, "at byte", "--skip-bad")
          try withImages(recipe) { loaded in
            XCTAssertEqual(loaded.count, 3, "\(name) cut to \(count)")
            XCTAssertEqual(loaded.images.skipped, 1)
            XCTAssertEqual(loaded.bytes(2), name == "b/4.jpg" ? whole[2] : whole[3])
          }
        }
        for trial in 0..<200 as Range<UInt64> {
          var damaged = bytes
          damaged[Int(gradc_random(trial, 0) % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: gradc_random(trial, 1))
          try write(damaged, path)
          try withImages(recipe) { XCTAssertEqual($0.count + $0.images.skipped, 4) }
        }
        try write(bytes, path)
      }
    }
  }

  // MARK: - Prediction

  func testFilesByName() throws {
    try withFolder { folder in
      try writePNG(folder + "/train/a/1.png", [0, 0, 0, 100, 100, 100], 1, 2)
      try writePNG(folder + "/train/b/2.png", [200, 200, 200, 255, 255, 255], 1, 2)
      try writePNG(folder + "/new/x.png", [10, 20, 30], 1, 1)
      try write([1, 2, 3], folder + "/new/y.png")
      let model = ImagePorts([3, 1, 2], classes: 2)
      try withImages("images\t\(folder)/train\nstandardize_channels\n", model: model) { loaded in
        var text: UnsafeMutablePointer<CChar>?
        try check { gradc_encoder_print(&loaded.encoder, &text, $0) }
        defer { gradc_text_free(text) }
        var encoder = gradc_encoder()
        try check { gradc_encoder_parse(text, &encoder, $0) }
        defer { gradc_encoder_free(&encoder) }
        XCTAssertTrue(gradc_encoder_is_fitted(&encoder))
        var dataset = gradc_dataset()
        let paths = ["/new/x.png", "/train/a"].map { (name: String) in strdup(folder + name) }
        defer { paths.forEach { free($0) } }
        var list = paths.map { UnsafePointer($0) }
        try check { gradc_dataset_load_files(&list, 2, &encoder, &model.model, false, &dataset, $0) }
        XCTAssertEqual(strings(dataset.ids), [folder + "/new/x.png", folder + "/train/a/1.png"])
        let found = LoadedImages(dataset: dataset)
        // Pixels 0, 100, 200, 255 of each channel: mean 138.75, population deviation 97.3637...
        let mean = 138.75, deviation = (38018.75 / 4).squareRoot()
        assertEqual(
          found.inputs([0])[0], [10, 10, 20, 20, 30, 30].map { ($0 - mean) / deviation }, accuracy: 1e-12)
        assertEqual(found.inputs([1])[0], loaded.inputs([0])[0])
        gradc_dataset_free(&dataset)
        let bad = strdup(folder + "/new")
        defer { free(bad) }
        list = [UnsafePointer(bad)]
        assertContains(failure { gradc_dataset_load_files(&list, 1, &encoder, &model.model, false, &dataset, $0) }, "new/y.png", "byte 0")
        try check { gradc_dataset_load_files(&list, 1, &encoder, &model.model, true, &dataset, $0) }
        XCTAssertEqual(dataset.row_count, 1)
        gradc_dataset_free(&dataset)
      }
    }
  }

  // MARK: - Real data

  func testMNIST() throws {
    let path = try sharedData("mnist/train-images-idx3-ubyte.gz"), test = try sharedData("mnist/t10k-images-idx3-ubyte.gz")
    let recipe = "idx\t\(path)\ntest_data\t\(test)\nstandardize_channels\n"
    try withImages(recipe, model: ImagePorts([784], classes: 10)) { loaded in
      XCTAssertEqual(loaded.part(GRADC_PART_TRAIN).count, 60000)
      XCTAssertEqual(loaded.part(GRADC_PART_TEST).count, 10000)
      XCTAssertEqual(loaded.mean[0], 0.13066, accuracy: 5e-6)
      XCTAssertEqual(loaded.deviation[0], 0.30811, accuracy: 5e-6)
      XCTAssertEqual(Array(loaded.labels.prefix(10)), [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
      let counts = (0..<10).map { digit in loaded.labels.prefix(60000).filter { $0 == Double(digit) }.count }
      XCTAssertEqual(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    }
  }

  func testCIFAR10() throws {
    let path = try sharedData("cifar10/data_batch_1_first4000.bin"), test = try sharedData("cifar10/test_batch_first1000.bin")
    let recipe = "cifar\t\(path)\ntest_data\t\(test)\nsplit\ttrain\t0.9\tvalidation\t0.1\tstratified\n"
    try withImages(recipe, model: ImagePorts([3, 32, 32], classes: 10)) { loaded in
      let counts = (0..<10).map { label in loaded.labels.prefix(4000).filter { $0 == Double(label) }.count }
      XCTAssertEqual(counts, [396, 366, 420, 384, 422, 393, 414, 385, 407, 413])
      XCTAssertEqual([loaded.part(GRADC_PART_TRAIN).count, loaded.part(GRADC_PART_VALIDATION).count], [3600, 400])
      XCTAssertEqual(loaded.part(GRADC_PART_TEST), Array(4000..<5000))
      XCTAssertEqual(loaded.classes[3], "cat")
    }
  }
}
