/** The first file system of a virtual machine, as the cpio archive Linux unpacks at boot. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

interface Entry {
  readonly path: string;
  /** File type and permissions, as st_mode. */
  readonly mode: number;
  readonly content?: Buffer;
}

const DIRECTORY = 0o040_755;
const EXECUTABLE = 0o100_755;

/** Where the host's root is mounted and where what is written goes; the root the command sees lies on both. */
const INIT = (modules: readonly string[], busyboxPath: string): string => `#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t devtmpfs dev /dev
for module in ${modules.join(' ')}; do $B insmod /modules/$module || echo "cannot insert $module"; done
plan9='trans=virtio,version=9p2000.L,msize=524288'
$B mount -t 9p -o "$plan9,ro,cache=loose" host /host
$B mount -t 9p -o "$plan9,cache=none" share /share
$B mount -t tmpfs tmp /upper
$B mkdir /upper/files /upper/work
$B mount -t overlay -o lowerdir=/host,upperdir=/upper/files,workdir=/upper/work root /root
for pair in proc:proc sysfs:sys devtmpfs:dev tmpfs:run; do
  $B mount -t \${pair%:*} \${pair%:*} /root/\${pair#*:}
done
$B mkdir -p /root/dev/pts /root/dev/shm /root/run/vm /root/run/netns
$B mount -t devpts -o ptmxmode=666 devpts /root/dev/pts
$B mount -t tmpfs shm /root/dev/shm
$B mount -t cgroup2 cgroup /root/sys/fs/cgroup
$B mount -o bind /share /root/run/vm
$B ip link set lo up
# Not chroot: in one there can be no user namespaces.
exec $B switch_root /root /bin/sh -c '
  /bin/sh /run/vm/command </dev/null >/run/vm/stdout 2>/run/vm/stderr
  echo $? >/run/vm/status
  sync
  ${busyboxPath} reboot -f
'
`;

/** An archive with a static busybox, these kernel modules, and an init that runs `/run/vm/command` of the share. */
export function initramfs(busyboxPath: string, modulePaths: readonly string[]): Buffer {
  const directories = ['bin', 'dev', 'host', 'modules', 'proc', 'root', 'share', 'upper'];
  const file = (path: string, content: Buffer): Entry => ({ path, mode: EXECUTABLE, content });
  return cpio([
    ...directories.map((path) => ({ path, mode: DIRECTORY })),
    file('bin/busybox', readFileSync(busyboxPath)),
    ...modulePaths.map((path) => file(`modules/${basename(path)}`, readFileSync(path))),
    file(
      'init',
      Buffer.from(
        INIT(
          modulePaths.map((path) => basename(path)),
          busyboxPath,
        ),
      ),
    ),
  ]);
}

/** The format "newc": Documentation/driver-api/early-userspace/buffer-format.rst of Linux. */
function cpio(entries: readonly Entry[]): Buffer {
  const chunks: Buffer[] = [];
  const padded = (chunk: Buffer): Buffer => Buffer.concat([chunk, Buffer.alloc(-chunk.length & 3)]);
  for (const [index, { path, mode, content }] of [...entries, { path: 'TRAILER!!!', mode: 0 }].entries()) {
    const body = content ?? Buffer.alloc(0);
    const name = `${path}\0`;
    const [uid, gid, links, time, device, check] = [0, 0, 1, 0, 0, 0];
    const size = body.length;
    const fields = [index + 1, mode, uid, gid, links, time, size, device, device, device, device];
    const header = [...fields, name.length, check].map((field) => field.toString(16).padStart(8, '0'));
    chunks.push(padded(Buffer.from(`070701${header.join('')}${name}`)), padded(body));
  }
  return Buffer.concat(chunks);
}
