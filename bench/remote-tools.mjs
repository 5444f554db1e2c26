// The programs that are compared on servers. A place is `{ kind, port, server, cache, name }`; what each step runs, as in tools.mjs.
import { join } from 'node:path'
import { root } from '../scripts/run.mjs'
import { firstLine, namesOf } from './tools.mjs'

const cli = join(root, 'packages/cli/dist/cli.js')
const passphrase = 'correct horse battery staple'

/** The programs of this machine that reach S3 and SFTP servers. */
export function remoteTools(otherNodes) {
  return [kloset(process.execPath), ...otherNodes.map(kloset), restic()].filter((tool) => tool.version !== undefined)
}

function kloset(node) {
  const run = (place, verb, ...args) => ({
    command: node,
    args: [cli, 'at', ...reach(place), verb, ...optionsOf(place), ...args],
    env: {
      KLOSET_PASSPHRASE: passphrase,
      XDG_CACHE_HOME: place.cache,
      XDG_STATE_HOME: place.cache,
      S3_REPOSITORY_USER: place.server.accessKey ?? '',
      S3_REPOSITORY_PASSWORD: place.server.secretKey ?? '',
    },
  })
  const reach = ({ kind, port, server, name }) =>
    kind === 's3'
      ? [`s3://127.0.0.1:${port}/bench/${name}`]
      : [`sftp://${server.user}@127.0.0.1:${port}${server.folder}/${name}`]
  const optionsOf = ({ kind, server }) =>
    kind === 's3' ? [] : ['-o', `identity=${server.keyFile}`, '-o', `known-hosts=${server.knownHosts}`]
  return {
    ...namesOf(node),
    create: (place) => run(place, 'create'),
    backup: (place, source) => run(place, 'backup', source),
    check: (place) => run(place, 'check', '--read-data'),
    restore: (place, to) => run(place, 'restore', '--to', to, 'latest'),
    // How long reading alone would take.
    reading: (place) =>
      place.kind === 's3' && {
        command: node,
        args: [join(root, 'bench/ranged-gets.mjs'), ...reach(place)],
        env: run(place).env,
      },
  }
}

function restic() {
  const run = (place, ...args) => ({
    command: 'restic',
    args: ['-q', ...reach(place), ...args],
    env: {
      RESTIC_PASSWORD: passphrase,
      RESTIC_CACHE_DIR: join(place.cache, 'restic'),
      AWS_ACCESS_KEY_ID: place.server.accessKey ?? '',
      AWS_SECRET_ACCESS_KEY: place.server.secretKey ?? '',
    },
  })
  const reach = ({ kind, port, server, name }) => {
    if (kind === 's3') return ['-r', `s3:http://127.0.0.1:${port}/bench/${name}`]
    const ssh = `ssh -p ${port} -i ${server.keyFile} -o UserKnownHostsFile=${server.knownHosts} -o StrictHostKeyChecking=no ${server.user}@127.0.0.1 -s sftp`
    return ['-o', `sftp.command=${ssh}`, '-r', `sftp:${server.user}@127.0.0.1:${server.folder}/${name}`]
  }
  return {
    name: 'restic',
    version: firstLine('restic', ['version'])?.replace(/ compiled.*/, ''),
    create: (place) => run(place, 'init'),
    backup: (place, source) => run(place, 'backup', source),
    check: (place) => run(place, 'check', '--read-data'),
    restore: (place, to) => run(place, 'restore', 'latest', '--target', to),
  }
}
