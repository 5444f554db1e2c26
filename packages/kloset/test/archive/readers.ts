import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ArchiveOptions, ArchiveResult, Store } from '../../src/api.js'
import { type Bytes, concatBytes } from '../../src/bytes/index.js'

/** Whether a program is there. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

/** All bytes of an archive, and what it says of itself. */
export async function archived(
  store: Store,
  options: ArchiveOptions = {},
  snapshot = 'latest',
): Promise<{ readonly bytes: Bytes; readonly result: ArchiveResult }> {
  const parts: Bytes[] = []
  const all = store.archive(snapshot, options)
  for (;;) {
    const { done, value } = await all.next()
    if (done) return { bytes: concatBytes(...parts), result: value }
    parts.push(value)
  }
}

/** Calls `act` with the path of a file that holds these bytes, in a folder of its own. */
export function inFile<T>(bytes: Uint8Array, act: (file: string, folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'kloset-archive-'))
  try {
    const file = join(folder, 'archive')
    writeFileSync(file, bytes)
    return act(file, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A member of an archive, as Python reads it. Names and links are bytes in hexadecimal, as is the content. */
export interface ReadMember {
  readonly name: string
  readonly type: string
  readonly mode: number
  readonly uid: number | null
  readonly gid: number | null
  readonly user: string
  readonly group: string
  /** Seconds, as they are written there. */
  readonly mtime: string
  readonly link: string
  readonly device: readonly [number, number]
  readonly content: string | null
  /** The records of a tar, by keyword. */
  readonly records: Readonly<Record<string, string>>
}

/** What Python's `tarfile` finds. */
export function readTar(bytes: Uint8Array): readonly ReadMember[] {
  return python(bytes, pythonTar)
}

/** What Python's `zipfile` finds. */
export function readZip(bytes: Uint8Array): readonly ReadMember[] {
  return python(bytes, pythonZip)
}

function python(bytes: Uint8Array, script: string): readonly ReadMember[] {
  return inFile(bytes, (file) => {
    const { status, stdout, stderr } = spawnSync('python3', ['-c', script, file], { maxBuffer: 2 ** 28 })
    if (status !== 0) throw new Error(String(stderr))
    return JSON.parse(stdout.toString())
  })
}

const pythonTar = `
import json, sys, tarfile
def raw(text): return text.encode('utf-8', 'surrogateescape').hex()
types = {b'0': 'file', b'1': 'link', b'2': 'symlink', b'3': 'character', b'4': 'block', b'5': 'directory', b'6': 'fifo'}
found = []
with tarfile.open(sys.argv[1], 'r:', encoding='utf-8', errors='surrogateescape') as tar:
    for m in tar:
        content = tar.extractfile(m).read().hex() if m.type == b'0' else None
        found.append(dict(name=raw(m.name), type=types[m.type], mode=m.mode, uid=m.uid, gid=m.gid, user=m.uname, group=m.gname,
            mtime=m.pax_headers.get('mtime', str(int(m.mtime))), link=raw(m.linkname), device=[m.devmajor, m.devminor], content=content,
            records={raw(k): raw(v) for k, v in m.pax_headers.items()}))
print(json.dumps(found))
`

const pythonZip = `
import calendar, json, stat, struct, sys, zipfile
found = []
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    for m in archive.infolist():
        mode = m.external_attr >> 16
        type = 'directory' if stat.S_ISDIR(mode) else 'symlink' if stat.S_ISLNK(mode) else 'file'
        data = archive.read(m)
        name = m.filename.encode('utf-8' if m.flag_bits & 0x800 else 'cp437')
        fields, at, owner, mtime = m.extra, 0, [None, None], str(calendar.timegm(m.date_time))
        while at < len(fields):
            id, length = struct.unpack_from('<HH', fields, at)
            if id == 0x5455: mtime = str(struct.unpack_from('<i', fields, at + 5)[0])
            if id == 0x7875: owner = [struct.unpack_from('<I', fields, at + 6)[0], struct.unpack_from('<I', fields, at + 11)[0]]
            at += 4 + length
        found.append(dict(name=name.hex(), type=type, mode=stat.S_IMODE(mode), uid=owner[0], gid=owner[1], user='', group='', mtime=mtime,
            link=data.hex() if type == 'symlink' else '', device=[0, 0], content=data.hex() if type == 'file' else None, records={}))
print(json.dumps(found))
`
