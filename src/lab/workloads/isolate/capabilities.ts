import type { Container } from '../../../model/objects.ts';

/** What container runtimes leave to a container that asks for nothing (capabilities(7) has the meanings). */
export const DEFAULT_CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
] as const;

/**
 * What a container could use to reach out of its namespaces into the lab's or the machine's; never given, not even
 * to a privileged container. SYS_ADMIN would let it undo its own mounts.
 */
const NEVER = new Set([
  'SYS_ADMIN',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_BOOT',
  'SYS_TIME',
  'SYS_PTRACE',
  'BPF',
  'PERFMON',
  'MAC_ADMIN',
  'MAC_OVERRIDE',
  'SYSLOG',
  'DAC_READ_SEARCH',
  'LINUX_IMMUTABLE',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'CHECKPOINT_RESTORE',
]);

const GRANTABLE = [
  'AUDIT_CONTROL',
  'IPC_LOCK',
  'IPC_OWNER',
  'LEASE',
  'NET_ADMIN',
  'NET_BROADCAST',
  'SYS_NICE',
  'SYS_PACCT',
  'SYS_RESOURCE',
  'SYS_TTY_CONFIG',
] as const;

const KNOWN: readonly string[] = [...DEFAULT_CAPABILITIES, ...GRANTABLE];

export interface Capabilities {
  /** Upper case without `CAP_`, sorted. */
  readonly granted: readonly string[];
  /** Asked for and not given. */
  readonly refused: readonly string[];
}

/** The default set, with `securityContext.capabilities` taken away and added; all that is grantable if privileged. */
export function containerCapabilities({ securityContext }: Container): Capabilities {
  if (securityContext?.privileged === true) return { granted: [...KNOWN].sort(), refused: [] };
  const add = (securityContext?.capabilities?.add ?? []).map(normalise);
  const drop = new Set((securityContext?.capabilities?.drop ?? []).map(normalise));
  const granted = new Set<string>(
    drop.has('ALL') ? [] : DEFAULT_CAPABILITIES.filter((name) => !drop.has(name)),
  );
  for (const name of add.includes('ALL') ? KNOWN : add)
    if (!drop.has(name) && KNOWN.includes(name)) granted.add(name);
  const refused = add.filter((name) => name !== 'ALL' && !KNOWN.includes(name));
  return {
    granted: [...granted].sort(),
    refused: refused.map((name) => (NEVER.has(name) ? name : `${name} (unknown)`)),
  };
}

function normalise(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, '');
}
