import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'

/** Makes one of everything that a file system can hold, in an empty folder. Needs root, and setfattr and setfacl. */
export function makeZoo(root: string): void {
  const run = (program: string, ...args: string[]): void => void execFileSync(program, args, { cwd: root })
  const write = (name: string, text: string | Buffer = name): void => writeFileSync(`${root}/${name}`, text)
  const xattr = (name: string, attribute: string, value: string, ...more: string[]): void =>
    run('setfattr', ...more, '-n', attribute, '-v', value, name)

  // Extended attributes of every namespace, on everything that can have them.
  for (const name of ['plain', 'read-only', 'many', 'capable', 'listed']) write(name)
  xattr('plain', 'user.note', '"a note"')
  xattr('plain', 'user.empty', '""')
  xattr('plain', 'user.bytes', '0x00ff0a')
  xattr('plain', 'trusted.secret', '"for root"')
  xattr('plain', 'security.mine', '"marked"')
  xattr('read-only', 'user.note', '"kept although nobody may write"')
  chmodSync(`${root}/read-only`, 0o444)
  for (let i = 0; i < 20; i++) xattr('many', `user.attribute-${i}`, `"${'v'.repeat(i * 5)}"`)
  // cap_net_raw+ep, as ping has it; a change of owner would take it away.
  chownSync(`${root}/capable`, 12, 34)
  xattr('capable', 'security.capability', '0x0100000200200000000000000000000000000000')
  mkdirSync(`${root}/folder`)
  xattr('folder', 'user.folder', '"x"')
  symlinkSync('plain', `${root}/link`)
  xattr('link', 'trusted.link', '"of the link itself"', '-h')
  run('mkfifo', '-m', '640', 'pipe')
  xattr('pipe', 'trusted.pipe', '"x"')

  // Access control lists, and what they do to modes.
  run('setfacl', '-m', 'u:1000:rw,g:2000:r,u:4000000000:x', 'listed')
  mkdirSync(`${root}/handing-down`)
  run('setfacl', '-m', 'd:u:1000:rwx,d:o::-', 'handing-down')
  write('handing-down/inherited')
  write('handing-down/without')
  run('setfacl', '-b', 'handing-down/without')
  chmodSync(`${root}/handing-down/without`, 0o604)
  mkdirSync(`${root}/handing-down/below`)
  mkdirSync(`${root}/handing-down/not-below`)
  run('setfacl', '-b', 'handing-down/not-below')
  write('handing-down/not-below/file')
  run('setfacl', '-m', 'm::r', 'handing-down/inherited')

  // Owners, and bits that matter with them.
  for (const [name, mode] of [
    ['setuid', 0o4755],
    ['setgid', 0o2755],
    ['both', 0o6711],
    ['sticky', 0o1644],
  ] as const) {
    write(name)
    chownSync(`${root}/${name}`, 1234, 5678)
    chmodSync(`${root}/${name}`, mode)
    mkdirSync(`${root}/${name}-folder`)
    chownSync(`${root}/${name}-folder`, 4_000_000_000, 3_999_999_999)
    chmodSync(`${root}/${name}-folder`, mode)
  }

  // Special files, and several names of one thing, whatever it is.
  run('mknod', 'null', 'c', '1', '3')
  run('mknod', 'large-numbers', 'b', '4095', '1048575')
  // Killed, so that its socket stays.
  const listen = "require('node:net').createServer().listen('socket', () => process.kill(process.pid, 'SIGKILL'))"
  spawnSync(process.execPath, ['-e', listen], { cwd: root })
  for (const name of ['plain', 'link', 'pipe', 'null', 'socket']) {
    linkSync(`${root}/${name}`, `${root}/another-${name}`)
    linkSync(`${root}/${name}`, `${root}/folder/third-${name}`)
  }

  // Links, names and times.
  symlinkSync('nowhere', `${root}/dangling`)
  symlinkSync('/absolute/nowhere', `${root}/absolute`)
  symlinkSync('x'.repeat(4_095), `${root}/as-long-as-can-be`)
  symlinkSync(Buffer.from([0xff, 0x2f, 0xfe]), `${root}/to-bytes`)
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x63, 0xe9, 0x0a, 0x5c])]), 'bytes')
  write('with spaces and \\ and ü')
  for (const [i, time] of ['2024-02-03 04:05:06.123456789Z', '1969-12-31 23:59:59.999999999Z'].entries()) {
    write(`time-${i}`)
    symlinkSync('x', `${root}/link-time-${i}`)
    mkdirSync(`${root}/folder-time-${i}`)
    write(`folder-time-${i}/inside`)
    run('touch', '-h', '-d', time, `time-${i}`, `link-time-${i}`, `folder-time-${i}`)
  }

  // Holes, and zeros that are none.
  sparse('all-hole', 3_000_000)
  sparse('small-hole', 10_000)
  sparse('begins', 3_000_000, 2_900_000)
  sparse('ends', 3_000_000, 0)
  sparse('between', 60_000_000, 0, 30_000_000, 59_000_000)
  sparse('scattered', 1_000_000, ...Array.from({ length: 60 }, (_, i) => i * 16_384))
  write('zeros', Buffer.alloc(300_000))
  sparse('holes-and-zeros', 2_000_000)
  const file = openSync(`${root}/holes-and-zeros`, 'r+')
  writeSync(file, Buffer.alloc(200_000), 0, 200_000, 400_000)
  closeSync(file)

  function sparse(name: string, length: number, ...at: number[]): void {
    const sparse = openSync(`${root}/${name}`, 'w')
    for (const offset of at) writeSync(sparse, `data at ${offset}`, offset)
    closeSync(sparse)
    truncateSync(`${root}/${name}`, length)
  }
}
