"""Makes a folder of image files from the handwritten digits beside it: one folder a digit, a few images in each, and a test set.

    python make.py [FOLDER]

Every image is 56 x 56 grey pixels, the digit enlarged five times in the middle, as a scan might have it. Needs nothing but Python.
"""

import csv
import pathlib
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TRAINING, ENLARGED, SIDE = 20, 5, 56


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def write_png(path, rows):
    """Rows of bytes as a grey PNG file."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def picture(values):
    """64 numbers from 0 to 16 as rows of bytes with a black border."""
    margin = (SIDE - 8 * ENLARGED) // 2
    rows = [[0] * SIDE for _ in range(SIDE)]
    for y in range(8 * ENLARGED):
        for x in range(8 * ENLARGED):
            rows[margin + y][margin + x] = min(255, round(values[y // ENLARGED * 8 + x // ENLARGED] * 255 / 16))
    return rows


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "photos"
    counts = [0] * 10
    with open(HERE.parent / "digits/digits.csv", newline="") as file:
        for row in list(csv.reader(file))[1:]:
            digit = int(float(row[-1]))
            part = "train" if counts[digit] < TRAINING else "test"
            place = folder / part / NAMES[digit]
            place.mkdir(parents=True, exist_ok=True)
            write_png(place / f"{counts[digit]:03}.png", picture([float(value) for value in row[:-1]]))
            counts[digit] += 1
    print(f"{folder}: {TRAINING * 10} images to train on, {sum(counts) - TRAINING * 10} for the test, ten classes")


if __name__ == "__main__":
    main()
