import CRuntime
import Foundation
import XCTest

/// From decoded images to batches: size, colour, statistics, augmentation.
final class ImageBatchTests: XCTestCase {
  /// One grey image of the given rows, as two equal images of an IDX file.
  private func withGray<T>(_ rows: [[UInt8]], _ recipe: String = "", _ body: (inout LoadedImages) throws -> T) throws -> T {
    try withFolder { folder in
      let pixels = rows.flatMap { $0 }
      try write(idx([2, rows.count, rows[0].count], pixels + pixels), folder + "/images")
      try write(idx([2], [0, 1]), folder + "/labels")
      return try withImages("idx\t\(folder)/images\nscale\tnone\n" + recipe, body)
    }
  }

  // MARK: - Resizing

  /// By hand. Enlarging 2 to 4, the centres lie at 0.25, 0.75, 1.25, 1.75 of the source; shrinking 4 to 2, the triangles around 1 and 3
  /// reach 2 pixels, so the shares are (3, 3, 1) / 7 and (1, 3, 3) / 7.
  func testResizeByHand() throws {
    try withGray([[0, 100]], "resize\nimage_size\t1\t4\n") { XCTAssertEqual($0.bytes(0), [0, 25, 75, 100]) }
    try withGray([[0, 100, 200, 40]], "resize\nimage_size\t1\t2\n") { XCTAssertEqual($0.bytes(0), [71, 117]) }
    try withGray([[0], [100], [200], [40]], "resize\nimage_size\t2\t1\n") { XCTAssertEqual($0.bytes(0), [71, 117]) }
    try withGray([[10, 20], [30, 60]], "resize\nimage_size\t1\t1\n") { XCTAssertEqual($0.bytes(0), [30]) }
    try withGray([[7]], "resize\nimage_size\t3\t2\n") { XCTAssertEqual($0.bytes(0), [UInt8](repeating: 7, count: 6)) }
    try withGray([[10, 200]], "resize\nimage_size\t1\t2\ncolor\trgb\n") { XCTAssertEqual($0.bytes(0), [10, 10, 10, 200, 200, 200]) }
  }

  /// PyTorch's interpolate(mode="bilinear", antialias=True, align_corners=False) in f64, rounded.
  func testResizeAgainstPyTorch() throws {
    var image = [[UInt8]](repeating: [UInt8](repeating: 0, count: 7), count: 5)
    for y in 0..<5 { for x in 0..<7 { image[y][x] = UInt8((37 * y * y + 91 * x + 13 * x * y) % 256) } }
    try withGray(image, "resize\nimage_size\t3\t4\n") {
      XCTAssertEqual($0.bytes(0), [66, 145, 116, 108, 98, 147, 155, 135, 139, 160, 148, 123])
    }
    try withGray(image, "resize\nimage_size\t8\t3\n") {
      XCTAssertEqual(
        $0.bytes(0), [78, 92, 121, 99, 119, 118, 123, 154, 117, 97, 163, 136, 99, 162, 145, 130, 152, 142, 142, 166, 120, 148, 178, 102])
    }
  }

  // MARK: - Statistics

  func testChannelsAreStandardisedByTrainingRowsOnly() throws {
    try withFolder { folder in
      let count = 20, size = 3 * 4
      var records: [[UInt8]] = (0..<count).map { noise(size, key: UInt64($0)) }
      for row in 0..<count { for pixel in 0..<4 { records[row][3 * pixel + 2] = 9 } }  // a constant channel
      try write(idx([count, 2, 2, 3], records.flatMap { $0 }), folder + "/images")
      try write(idx([count], [UInt8](repeating: 1, count: count)), folder + "/labels")
      let recipe = "idx\t\(folder)/images\nstandardize_channels\nsplit\ttrain\t0.6\tvalidation\t0.4\nseed\t3\nlayout\tchannels_last\n"
      try withImages(recipe) { loaded in
        let training = loaded.part(GRADC_PART_TRAIN)
        XCTAssertEqual(training.count, 12)
        for channel in 0..<2 {
          let values = training.flatMap { row in (0..<4).map { Double(records[Int(row)][3 * $0 + channel]) / 255 } }
          let mean = values.reduce(0, +) / Double(values.count)
          let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
          XCTAssertEqual(loaded.mean[channel], mean, accuracy: 1e-14)
          XCTAssertEqual(loaded.deviation[channel], variance.squareRoot(), accuracy: 1e-13)
        }
        XCTAssertEqual(loaded.deviation[2], 1)
        let row = Int(loaded.part(GRADC_PART_VALIDATION)[0])
        assertEqual(
          loaded.inputs([UInt32(row)])[0],
          (0..<size).map { (Double(records[row][$0]) / 255 - loaded.mean[$0 % 3]) / loaded.deviation[$0 % 3] }, accuracy: 1e-12)
      }
      let given = "idx\t\(folder)/images\nstandardize_channels\t0.1\t0.2\t0.3\t1\t2\t4\nlayout\tchannels_last\n"
      try withImages(given) { loaded in
        XCTAssertEqual(loaded.mean, [0.1, 0.2, 0.3])
        XCTAssertEqual(loaded.inputs([0])[0][2], (9.0 / 255 - 0.3) / 4, accuracy: 1e-15)
      }
      assertContains(imageFailure("idx\t\(folder)/images\nstandardize_channels\t0.1\t1\n"), "1 channels", "have 3")
    }
  }

  // MARK: - Augmentation

  private func uniform(_ key: UInt64, _ counter: UInt64) -> Double { Double(gradc_random(key, counter) >> 11) * 0x1p-53 }

  /// What the header promises, from its words.
  private func expected(
    _ image: [[Double]], flip: Bool, shift: Int, crop: Int, rotation: Double, fill: String, seed: UInt64, epoch: UInt64, row: UInt64
  ) -> [Double] {
    let key = gradc_random(gradc_random(gradc_random(seed, 0x6175_676d_656e_74), epoch), row)
    func pixels(_ counter: UInt64, _ most: Int) -> Int { Int((uniform(key, counter) * Double(2 * most + 1)).rounded(.down)) - most }
    let mirrored = flip && uniform(key, 0) >= 0.5
    let down = pixels(1, shift) + pixels(3, crop), right = pixels(2, shift) + pixels(4, crop)
    let angle = (2 * uniform(key, 5) - 1) * rotation * Double.pi / 180
    let height = image.count, width = image[0].count
    func inside(_ index: Int, _ size: Int) -> Int? {
      if 0..<size ~= index { return index }
      switch fill {
      case "edge": return min(max(index, 0), size - 1)
      case "reflect":
        var index = index
        while !(0..<size ~= index) { index = index < 0 ? -index : 2 * (size - 1) - index }
        return index
      default: return nil
      }
    }
    func pixel(_ y: Int, _ x: Int) -> Double {
      guard let y = inside(y + down, height), let x = inside(x + right, width) else { return 0 }
      return image[y][mirrored ? width - 1 - x : x]
    }
    return (0..<height).flatMap { y in
      (0..<width).map { x -> Double in
        let up = Double(y) - Double(height - 1) / 2, along = Double(x) - Double(width - 1) / 2
        let fromY = sin(angle) * along + cos(angle) * up + Double(height - 1) / 2
        let fromX = cos(angle) * along - sin(angle) * up + Double(width - 1) / 2
        let top = Int(fromY.rounded(.down)), left = Int(fromX.rounded(.down))
        let b = fromY - Double(top), a = fromX - Double(left)
        let upper = (1 - a) * pixel(top, left) + a * pixel(top, left + 1)
        let lower = (1 - a) * pixel(top + 1, left) + a * pixel(top + 1, left + 1)
        return (1 - b) * upper + b * lower
      }
    }
  }

  private let photo: [[UInt8]] = [
    [10, 17, 38, 33, 42], [50, 57, 78, 73, 82], [90, 97, 118, 113, 122], [130, 137, 158, 153, 162], [170, 177, 198, 193, 202],
    [210, 217, 238, 233, 255],
  ]

  func testAugmentationIsWhatItsWordsSay() throws {
    let image = photo.map { $0.map(Double.init) }
    for fill in ["black", "edge", "reflect"] {
      for (flip, shift, crop, rotation) in [
        (true, 0, 0, 0.0), (false, 2, 0, 0), (false, 0, 3, 0), (true, 1, 2, 0), (false, 0, 0, 30), (true, 2, 1, 180),
      ] {
        let words = (flip ? "\tflip" : "") + "\tshift=\(shift)\tcrop=\(crop)\trotation=\(rotation)\tfill=\(fill)"
        try withGray(photo, "augment\(words)\n") { loaded in
          var different: Set<[Double]> = []
          for epoch in 0..<20 as Range<UInt64> {
            for row in 0..<2 as Range<UInt32> {
              let found = loaded.inputs([row], augmented: (5, epoch))[0]
              assertEqual(
                found,
                expected(
                  image, flip: flip, shift: shift, crop: crop, rotation: rotation, fill: fill, seed: 5, epoch: epoch, row: UInt64(row)),
                accuracy: 1e-9)
              different.insert(found)
            }
          }
          XCTAssertGreaterThanOrEqual(different.count, flip && shift + crop == 0 && rotation == 0 ? 2 : 10, words)
          XCTAssertEqual(loaded.inputs([1])[0], image.flatMap { $0 }, "without augmentation")
        }
      }
    }
  }

  /// A quarter turn to the left, by hand: the right column becomes the upper row.
  func testTurnsToTheLeft() throws {
    try withGray([[1, 2, 3], [4, 5, 6], [7, 8, 9]], "augment\trotation=180\n") { loaded in
      let key = { (epoch: UInt64) in gradc_random(gradc_random(gradc_random(1, 0x6175_676d_656e_74), epoch), 0) }
      let epochs = (0..<200_000 as Range<UInt64>).filter { abs((2 * self.uniform(key($0), 5) - 1) * 180 - 90) < 0.02 }
      let epoch = try XCTUnwrap(epochs.first)
      assertEqual(loaded.inputs([0], augmented: (1, epoch))[0], [3, 6, 9, 2, 5, 8, 1, 4, 7], accuracy: 1e-2)
    }
  }

  /// The same image whatever stands beside it, in another epoch another one, and half of them mirrored.
  func testAugmentationDependsOnSeedEpochAndRowOnly() throws {
    try withFolder { folder in
      let count = 400
      try write(idx([count, 1, 2], (0..<count).flatMap { _ in [1, 2] as [UInt8] }), folder + "/images")
      try write(idx([count], [UInt8](repeating: 1, count: count)), folder + "/labels")
      try withImages("idx\t\(folder)/images\nscale\tnone\naugment\tflip\n") { loaded in
        let rows = (0..<UInt32(count)).map { $0 }
        let all = loaded.inputs(rows, augmented: (1, 0))
        let backwards = loaded.inputs(rows.reversed(), augmented: (1, 0))
        XCTAssertEqual(all, backwards.reversed())
        XCTAssertEqual(all[17], loaded.inputs([17], augmented: (1, 0))[0])
        let mirrored = all.filter { $0 == [2, 1] }.count
        XCTAssertEqual(Double(mirrored), 200, accuracy: 50)
        XCTAssertNotEqual(all, loaded.inputs(rows, augmented: (1, 1)))
        XCTAssertNotEqual(all, loaded.inputs(rows, augmented: (2, 0)))
      }
    }
  }

  /// All types of pixels and elements, both layouts, agree.
  func testAllFormsAgree() throws {
    try withFolder { folder in
      let pixels = noise(2 * 5 * 4 * 3, key: 9)
      let floats = pixels.map(Float.init)
      try write(npy("|u1", [2, 5, 4, 3], pixels), folder + "/bytes.npy")
      try write(npy("<f4", [2, 5, 4, 3], littleEndian(floats)), folder + "/floats.npy")
      try write(npy("|u1", [2], [0, 1]), folder + "/y.npy")
      let wish = "scale\tunit\nstandardize_channels\naugment\tflip\tshift=1\trotation=10\tfill=edge\n"
      for augmented in [nil, (seed: 3 as UInt64, epoch: 4 as UInt64)] {
        func load(_ name: String, _ layout: String) throws -> ([[Double]], [Float]) {
          try withImages("npy\t\(folder)/\(name).npy\t\(folder)/y.npy\nlayout\t\(layout)\n" + wish) { loaded in
            var images = loaded.images
            var narrow = [Float](repeating: 0, count: 120)
            gradc_images_gather(&images, [1, 0], 2, augmented != nil, augmented?.seed ?? 0, augmented?.epoch ?? 0, GRADC_F32, &narrow)
            return (loaded.inputs([1, 0], augmented: augmented), narrow)
          }
        }
        let (bytes, narrow) = try load("bytes", "channels_first")
        XCTAssertEqual(narrow, bytes.flatMap { $0 }.map { Float($0) })
        for (found, expected) in zip(try load("floats", "channels_first").0, bytes) { assertEqual(found, expected, accuracy: 1e-9) }
        let (last, _) = try load("bytes", "channels_last")
        for (found, expected) in zip(last, bytes) {
          XCTAssertEqual((0..<60).map { found[($0 % 20) * 3 + $0 / 20] }, expected)
        }
      }
    }
  }

  /// Without labels the images are their own targets, augmented as the input is.
  func testImagesAsTheirOwnTargets() throws {
    try withFolder { folder in
      try write(npy("|u1", [3, 2, 2], noise(12, key: 5)), folder + "/x.npy")
      try withImages("npy\t\(folder)/x.npy\naugment\tflip\tshift=1\n") { loaded in
        XCTAssertEqual(loaded.dataset.target_count, 1)
        var batch = gradc_batch()
        try check { gradc_batch_create(&loaded.dataset, 3, &batch, $0) }
        defer { gradc_batch_free(&batch) }
        gradc_batch_gather(&loaded.dataset, [2, 0], 2, &batch)
        let inputs = Array(UnsafeBufferPointer(start: batch.inputs[0]!.assumingMemoryBound(to: Float.self), count: 8))
        let targets = Array(UnsafeBufferPointer(start: batch.targets[0]!.assumingMemoryBound(to: Float.self), count: 8))
        XCTAssertEqual(inputs, (Array(noise(12, key: 5)[8..<12]) + Array(noise(12, key: 5)[0..<4])).map { Float($0) / 255 })
        XCTAssertEqual(targets, inputs)
      }
    }
  }

  // MARK: - Recipes

  func testRecipeRoundTrip() throws {
    let text =
      "cifar\ta.bin\tb c.bin\ntest_data\tt.bin\nclass_names\tcat\tdog\nlayout\tchannels_last\nimage_size\t24\t32\ncolor\trgb\nresize\n"
      + "scale\tnone\nstandardize_channels\t0.5\t0.25\t0.5\t1\t2\t3\naugment\tflip\tshift=2\tcrop=4\trotation=7.5\tfill=reflect\nskip_bad\n"
    for text in [text, "npz\tx.npz\tx=a\ty=b\n", "images\tphotos\nstandardize_channels\n", "idx\ti\tl\n", "npy\tx\ty\nscale\tauto\n"] {
      try withRecipe(text) { recipe in
        var printed: UnsafeMutablePointer<CChar>?
        try check { gradc_recipe_print(&recipe, &printed, $0) }
        defer { gradc_text_free(printed) }
        XCTAssertEqual(String(cString: printed!), text)
      }
    }
    try withRecipe(text) { recipe in
      var options = gradc_train_options()
      try check { gradc_train_flag("augment", "shift=1,rotation=5", &recipe, &options, $0) }
      XCTAssertFalse(recipe.images.augmentation.flip)
      XCTAssertEqual(recipe.images.augmentation.rotation, 5)
      XCTAssertEqual(recipe.images.test_file_count, 1)
      try check { gradc_train_flag("augment", "none", &recipe, &options, $0) }
      XCTAssertEqual(recipe.images.augmentation.shift, 0)
    }
    try withRecipe("images\tphotos\n") { recipe in
      var options = gradc_train_options()
      XCTAssertFalse(recipe.images.skip_bad)
      try check { gradc_train_flag("skip-bad", nil, &recipe, &options, $0) }
      XCTAssertTrue(recipe.images.skip_bad)
    }
  }

  func testRecipeErrors() {
    func message(_ text: String) -> String {
      var recipe = gradc_recipe()
      return failure { gradc_recipe_parse(text, &recipe, $0) }
    }
    assertContains(message("idx\ta\tb\ncifar\tc\n"), "line 2", "named twice")
    assertContains(message("idx\ta\naugment\tspin\n"), "spin", "rotation=DEGREES")
    assertContains(message("idx\ta\naugment\trotation=200\n"), "200", "0 to 180")
    assertContains(message("idx\ta\naugment\tshift=-1\n"), "pixels")
    assertContains(message("idx\ta\ncolor\tblue\n"), "gray or rgb")
    assertContains(message("idx\ta\nimage_size\t0\t3\n"), "pixels")
    assertContains(message("idx\ta\nstandardize_channels\t0.5\t0\n"), "above 0")
    assertContains(message("idx\ta\nstandardize_channels\t0.5\t1\t2\n"), "a mean for each channel")
    assertContains(message("idx\ta\nclass_names\tx\tx\n"), "each class once")
    assertContains(message("csv\ta.csv\nresize\n"), "table")
    assertContains(message("csv\ta.csv\naugment\tflip\n"), "table")
    assertContains(message("idx\ta\ntest_data\tb\nsplit\ttrain\t0.8\ttest\t0.2\n"), "test share", "test_data")
  }
}
