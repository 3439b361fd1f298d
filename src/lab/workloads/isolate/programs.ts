import { accessSync, constants, statSync } from 'node:fs';
import { posix } from 'node:path';
import { PodnetError } from '../../../model/errors.ts';

/** Where container images put programs, and where Debian does. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Programs that people call in containers, and the Debian package that brings each. */
const PACKAGES: Readonly<Record<string, string>> = {
  arping: 'arping',
  bash: 'bash',
  bird: 'bird2',
  bridge: 'iproute2',
  busybox: 'busybox',
  conntrack: 'conntrack',
  curl: 'curl',
  dig: 'bind9-dnsutils',
  ethtool: 'ethtool',
  fping: 'fping',
  getent: 'libc-bin',
  git: 'git',
  grpcurl: 'grpcurl',
  haproxy: 'haproxy',
  host: 'bind9-host',
  hping3: 'hping3',
  ifconfig: 'net-tools',
  ip: 'iproute2',
  iperf: 'iperf',
  iperf3: 'iperf3',
  iptables: 'iptables',
  jq: 'jq',
  kubectl: 'kubernetes-client',
  memcached: 'memcached',
  mongosh: 'mongodb-mongosh',
  mount: 'mount',
  mtr: 'mtr-tiny',
  mysql: 'default-mysql-client',
  nc: 'netcat-openbsd',
  ncat: 'ncat',
  netcat: 'netcat-openbsd',
  netstat: 'net-tools',
  nft: 'nftables',
  nginx: 'nginx-light',
  nmap: 'nmap',
  node: 'nodejs',
  nslookup: 'bind9-dnsutils',
  openssl: 'openssl',
  perl: 'perl',
  ping: 'iputils-ping',
  ping6: 'iputils-ping',
  pg_isready: 'postgresql-client',
  ps: 'procps',
  psql: 'postgresql-client',
  python: 'python-is-python3',
  python3: 'python3',
  'redis-cli': 'redis-tools',
  'redis-server': 'redis-server',
  route: 'net-tools',
  ruby: 'ruby',
  setpriv: 'util-linux',
  setsid: 'util-linux',
  socat: 'socat',
  ss: 'iproute2',
  ssh: 'openssh-client',
  stress: 'stress',
  tc: 'iproute2',
  tcpdump: 'tcpdump',
  telnet: 'telnet',
  top: 'procps',
  tracepath: 'iputils-tracepath',
  traceroute: 'traceroute',
  tshark: 'tshark',
  vim: 'vim-tiny',
  websocat: 'websocat',
  wget: 'wget',
  wrk: 'wrk',
  xxd: 'xxd',
};

/** What is missing, and what to install. Container runtimes end such a container with 127 or 128. */
export function programMissing(program: string, reason: string): PodnetError {
  const debianPackage = PACKAGES[posix.basename(program)];
  return new PodnetError(`exec: ${JSON.stringify(program)}: ${reason}`, {
    code: 'program-missing',
    fix:
      debianPackage === undefined
        ? 'Containers run the programs of this machine: install one that provides it, or leave the command out to get a stand-in.'
        : `Containers run the programs of this machine: apt-get install ${debianPackage}`,
  });
}

/**
 * The path of the program that `name` stands for, as execvp(3) finds it, in whatever root the calling thread has.
 * Throws `PodnetError` when there is none.
 */
export function findProgram(name: string, searchPath: string, workingDirectory: string): string {
  if (name === '') throw programMissing(name, 'the command is empty');
  if (name.includes('/')) {
    const path = posix.resolve(workingDirectory, name);
    const problem = whyNotExecutable(path);
    if (problem !== undefined) throw programMissing(name, problem);
    return path;
  }
  let denied = false;
  for (const directory of searchPath.split(':')) {
    const path = posix.resolve(workingDirectory, directory || '.', name);
    const problem = whyNotExecutable(path);
    if (problem === undefined) return path;
    denied ||= problem === 'permission denied';
  }
  throw programMissing(name, denied ? 'permission denied' : 'executable file not found in $PATH');
}

function whyNotExecutable(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status) return 'no such file or directory';
  if (status.isDirectory()) return 'is a directory';
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch {
    return 'permission denied';
  }
}
