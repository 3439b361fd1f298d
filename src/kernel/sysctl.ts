/**
 * Kernel parameters (sysctl(8), proc_sys(5)). Those below `net.` belong to the network namespace of the calling
 * thread: call these inside `withNetns` for another.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { PodnetError, errorMessage } from '../model/errors.ts';

/** The value, without the line end. @throws PodnetError when the kernel has no such parameter */
export function readSysctl(name: string): string {
  try {
    return readFileSync(sysctlPath(name), 'utf8').trimEnd();
  } catch (error) {
    throw failure('read', name, error);
  }
}

/** Undefined when the kernel has no such parameter. */
export function tryReadSysctl(name: string): string | undefined {
  try {
    return readSysctl(name);
  } catch (error) {
    if (error instanceof PodnetError && error.code === 'sysctl-missing') return undefined;
    throw error;
  }
}

export function writeSysctl(name: string, value: string | number): void {
  try {
    writeFileSync(sysctlPath(name), `${value}\n`);
  } catch (error) {
    throw failure('set', name, error);
  }
}

/** As with sysctl(8) a name written with slashes may have dots in its parts: `net/ipv4/conf/eth0.100/forwarding`. */
export function sysctlPath(name: string): string {
  const parts = name.includes('/') ? name.split('/') : name.split('.');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || /[/\0]/.test(part))) {
    throw new RangeError(`${JSON.stringify(name)} is no name of a kernel parameter`);
  }
  return `/proc/sys/${parts.join('/')}`;
}

function failure(verb: string, name: string, error: unknown): PodnetError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const common = { where: name, cause: error };
  if (code === 'ENOENT') {
    const fix = 'Use a kernel that has it, or load the module it belongs to.';
    return new PodnetError(`This kernel has no parameter ${name}`, {
      ...common,
      code: 'sysctl-missing',
      fix,
    });
  }
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    const fix =
      'Run where /proc/sys is writable: as root, or in a user namespace that owns the network namespace.';
    return new PodnetError(`Not allowed to ${verb} ${name}`, { ...common, code: 'sysctl-denied', fix });
  }
  return new PodnetError(`Cannot ${verb} ${name}: ${errorMessage(error)}`, {
    ...common,
    code: 'sysctl-failed',
  });
}
