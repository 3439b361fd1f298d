/** Versions of the CNI specification that podnet speaks. */

/** Oldest first. */
export const cniVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof cniVersions)[number];

export const latestCniVersion: CniVersion = '1.1.0';

/** CNI_COMMAND, and the version that brought each. */
export const commandSince = {
  VERSION: '0.3.0',
  ADD: '0.3.0',
  DEL: '0.3.0',
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
} as const satisfies Readonly<Record<string, CniVersion>>;

export type CniCommand = keyof typeof commandSince;

export function isCniVersion(text: unknown): text is CniVersion {
  return cniVersions.some((version) => version === text);
}

export function isCniCommand(text: string): text is CniCommand {
  return Object.hasOwn(commandSince, text);
}

/** Whether a version is the same as `since` or later. */
export function isAtLeast(version: CniVersion, since: CniVersion): boolean {
  return cniVersions.indexOf(version) >= cniVersions.indexOf(since);
}
