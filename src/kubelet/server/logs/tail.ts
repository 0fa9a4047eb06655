import type { FileHandle } from 'node:fs/promises';

const newline = 0x0a;

/** Where the last `lines` lines of a file begin, found by reading backwards from its end. */
export async function tailOffset(file: FileHandle, lines: number, blockSize = 64 * 1024): Promise<number> {
  const { size } = await file.stat();
  if (lines <= 0) return size;
  const block = Buffer.allocUnsafe(Math.min(blockSize, Math.max(size, 1)));
  // The newline that ends the file's last line begins no line.
  let wanted = lines + ((await endsWithNewline(file, size)) ? 1 : 0);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - block.length);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    for (let at = block.lastIndexOf(newline, bytesRead - 1); at !== -1; ) {
      wanted -= 1;
      if (wanted === 0) return start + at + 1;
      at = at === 0 ? -1 : block.lastIndexOf(newline, at - 1);
    }
    end = start;
  }
  return 0;
}

async function endsWithNewline(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] === newline;
}
