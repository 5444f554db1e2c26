import { type Command, Option } from 'commander'
import type { CreateOptions, Store } from 'kloset'
import { exit, UsageError } from '../exit.js'
import { outputOptions, packSize, peerOptions, storeOptions } from '../options.js'
import { bytes, parseBytes } from '../render/bytes.js'
import { harmless, shown } from '../render/names.js'
import {
  createAt,
  leave,
  openPeer,
  ownPlace,
  type PeerFlags,
  refuseExisting,
  type StoreFlags,
  type StoreSettings,
} from '../store.js'
import type { Session, Verb } from '../verb.js'

interface Flags extends StoreFlags, PeerFlags {
  readonly like?: string
  readonly cipher?: NonNullable<CreateOptions['encryption']>
  readonly compression?: NonNullable<CreateOptions['codec']>
  readonly chunkSize?: number
  readonly packSize?: number
  readonly label?: string
  readonly dryRun?: boolean
}

/** `kloset create`: a new store at an empty place. */
export const create: Verb = {
  changes: true,
  define(command: Command) {
    command
      .usage('[options]')
      .description(
        'Make a new store: a place that snapshots are saved to.\n\n' +
          'The passphrase is asked for twice, and protects everything in the store. It is stored nowhere and cannot be ' +
          'recovered: without it, the data is lost. What is chosen here holds for the life of the store.',
      )
      .optionsGroup('What it will be:')
      .addOption(new Option('--cipher <name>', 'how it is encrypted').choices(['aes-256-gcm', 'chacha20-poly1305']))
      .addOption(
        new Option('--compression <name>', 'what writers compress with').choices([
          'auto',
          'zstd',
          'lz4',
          'deflate',
          'none',
        ]),
      )
      .option(
        '--chunk-size <size>',
        'the usual size of a chunk, a power of two; default 1MiB, databases want 64KiB',
        chunkSize,
      )
      .option('--pack-size <size>', 'the size of the files that data is gathered in; default 20MiB', packSize)
      .option(
        '--like <store>',
        'cut and name data as this store does, so that `kloset sync` between the two costs least',
      )
      .option('--label <text>', 'a name for the passphrase or key, seen in `kloset info`')
      .option('--dry-run', 'only say whether a store could be made')
    peerOptions(storeOptions(command), 'The store of --like')
    outputOptions(command).addHelpText(
      'after',
      `
Examples:
  kloset at /var/backups create
      asks for a passphrase and makes the store
  kloset at /var/backups create --passphrase-file /root/.kloset
      for scripts: the passphrase is the first line of the file
  kloset at /mnt/usb create --key-file usb.key
      unlocked by a raw key (head -c 32 /dev/urandom > usb.key)
  kloset at s3://minio.example:9001/mybackups create --like /var/backups
      a second place for the same snapshots; who can open it learns nothing of
      the first but which data the two have in common
  kloset at /mnt/scratch create --no-encryption
      for data that needs no secrecy: who can read the folder can read it all

Exit codes: 0 made, 1 failed (there already is a store, the folder cannot be
written to), 2 usage.`,
    )
  },

  async run(_args: readonly string[], flags: Flags, session: Session) {
    const { output } = session
    const { shown: location } = await ownPlace(session, flags)
    if (!flags.encryption && flags.cipher)
      throw new UsageError('--no-encryption and --cipher exclude each other', 'Give one of them.')
    if (flags.dryRun) {
      await refuseExisting(session, flags)
      if (output.json) await output.emit({ type: 'summary', dryRun: true, location })
      else if (!output.quiet) await output.print(`Dry run: no store is at ${shown(location)} yet; one would be made.`)
      return exit.done
    }
    if (flags.like !== undefined && flags.chunkSize !== undefined)
      throw new UsageError('--like and --chunk-size exclude each other', 'Give one of them.')
    const like = flags.like === undefined ? undefined : await openPeer(session, flags.like, flags, { mode: 'read' })
    let store: Store
    try {
      store = await createAt(session, flags, { ...settingsOf(flags), ...(like && { like }) })
    } finally {
      await like?.close()
    }
    try {
      const info = await store.info()
      if (output.json) {
        const { id, created, version, encryption, chunker, codec } = info
        await output.emit({
          type: 'summary',
          id,
          location: info.location,
          created,
          version,
          encryption,
          chunker,
          codec,
        })
      } else if (!output.quiet) {
        const how = info.encryption === 'none' ? 'plaintext' : `encrypted (${info.encryption})`
        await output.print(
          `Created a store at ${harmless(info.location)}`,
          `  id ${info.id.slice(0, 8)}, ${how}, chunks of about ${bytes(info.chunker.normal)}`,
        )
        if (info.encryption !== 'none')
          output.note(
            flags.keyFile === undefined
              ? '  Keep the passphrase where you will find it in years: without it, nobody can read the backups.'
              : '  Keep a copy of the key file elsewhere: without it, nobody can read the backups.',
          )
      }
    } finally {
      await leave(store, output)
    }
    return exit.done
  },
}

// So that the smallest and the largest chunk are within what the format allows.
function chunkSize(text: string): number {
  const size = parseBytes(text)
  if (size >= 256 && size <= 4 * 1024 * 1024 && Number.isInteger(Math.log2(size))) return size
  throw new UsageError(`chunks of ${text} cannot be made`, 'Write a power of two up to 4MiB: 64KiB, 1MiB.')
}

function settingsOf(flags: Flags): StoreSettings {
  const { cipher, compression, chunkSize: normal, packSize: pack, label } = flags
  return {
    ...(cipher && { encryption: cipher }),
    ...(compression && { codec: compression }),
    // The proportions of the default: a quarter, and four times as much.
    ...(normal !== undefined && { chunker: { min: normal / 4, normal, max: normal * 4 } }),
    ...(pack !== undefined && { pack }),
    ...(label !== undefined && { label }),
  }
}
