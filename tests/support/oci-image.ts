/** A container image made on the spot, from the machine's static busybox: no registry, no download. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { findProgram } from '../../src/kernel/process.ts';

interface TarEntry {
  readonly path: string;
  readonly content?: Buffer | string;
  readonly mode?: number;
  /** Makes the entry a symbolic link. */
  readonly linkTo?: string;
}

const BLOCK = 512;

/** ustar, as POSIX.1-1988 has it: a header of 512 bytes, then the content in blocks of as many. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap(({ path, content = '', mode, linkTo }) => {
    const body = Buffer.from(content);
    const isDirectory = path.endsWith('/');
    const header = Buffer.alloc(BLOCK);
    const octal = (value: number, offset: number, length: number): void => {
      header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset);
    };
    header.write(path, 0, 100);
    octal(mode ?? (isDirectory ? 0o755 : 0o644), 100, 8);
    octal(0, 108, 8);
    octal(0, 116, 8);
    octal(body.length, 124, 12);
    octal(0, 136, 12);
    header.write('        ', 148);
    header.write(linkTo !== undefined ? '2' : isDirectory ? '5' : '0', 156);
    header.write(linkTo ?? '', 157, 100);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

const digest = (blob: Buffer): string => createHash('sha256').update(blob).digest('hex');

/** Why no image can be made here, or undefined when one can. */
export function whyNoImage(): string | undefined {
  const path = findProgram('busybox');
  // A dynamic executable names its interpreter: program header of type 3 (PT_INTERP), elf(5).
  if (path === undefined) return 'busybox-static is not installed';
  const elf = readFileSync(path);
  const [start, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  for (let index = 0; index < count; index++)
    if (elf.readUInt32LE(start + index * size) === 3)
      return 'busybox is not the static one (apt-get install busybox-static)';
  return undefined;
}

const APPLETS = ['sh', 'ip', 'ping', 'nc', 'wget', 'httpd', 'sleep', 'cat', 'ls', 'echo', 'hostname', 'true'];

/** Writes an OCI image layout in a tar file, which `ctr image import` and `podman load` take. */
export function writeBusyboxImage(file: string, reference: string): void {
  const layer = tar([
    { path: 'bin/' },
    { path: 'bin/busybox', content: readFileSync(findProgram('busybox') ?? ''), mode: 0o755 },
    ...APPLETS.map((name) => ({ path: `bin/${name}`, linkTo: 'busybox', mode: 0o777 })),
    { path: 'etc/' },
    { path: 'etc/passwd', content: 'root:x:0:0:root:/:/bin/sh\n' },
    { path: 'etc/group', content: 'root:x:0:\n' },
    ...['proc/', 'sys/', 'dev/', 'run/', 'tmp/'].map((path) => ({ path })),
  ]);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Env: ['PATH=/bin'], Cmd: ['/bin/sleep', '1000000'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digest(layer)}`] },
    }),
  );
  const descriptor = (mediaType: string, blob: Buffer): Record<string, unknown> => ({
    mediaType: `application/vnd.oci.image.${mediaType}`,
    digest: `sha256:${digest(blob)}`,
    size: blob.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptor('config.v1+json', config),
      layers: [descriptor('layer.v1.tar', layer)],
    }),
  );
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor('manifest.v1+json', manifest),
        annotations: {
          'io.containerd.image.name': reference,
          'org.opencontainers.image.ref.name': reference,
        },
      },
    ],
  };
  writeFileSync(
    file,
    tar([
      { path: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
      { path: 'index.json', content: JSON.stringify(index) },
      ...[layer, config, manifest].map((blob) => ({ path: `blobs/sha256/${digest(blob)}`, content: blob })),
    ]),
  );
}
