/** The environment a plugin runs in: CNI specification 1.1.0, section 2, "Parameters". */
import { parseCniArgs } from './args.ts';
import { CniError, cniErrorCodes } from './error.ts';
import { type CniCommand, commandSince, isCniCommand } from './versions.ts';

export type CniEnvironment = Readonly<Record<string, string | undefined>>;

export interface Parameters {
  readonly command: CniCommand;
  /** Empty where the command has none. */
  readonly containerId: string;
  /** A path; empty where the command has none, and for DEL of a container whose namespace is gone. */
  readonly netns: string;
  readonly ifName: string;
  readonly args: ReadonlyMap<string, string>;
  /** Directories. */
  readonly path: readonly string[];
}

/** What each command cannot do without. */
export const requiredVariables = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
  VERSION: [],
} as const satisfies Readonly<Record<CniCommand, readonly string[]>>;

/** @throws CniError (invalid environment) naming the variables */
export function parseEnvironment(environment: CniEnvironment, knownArgs?: readonly string[]): Parameters {
  const command = environment['CNI_COMMAND'] ?? '';
  if (!isCniCommand(command))
    throw invalid(
      command
        ? `CNI_COMMAND: there is no command ${JSON.stringify(command.slice(0, 60))}`
        : 'CNI_COMMAND is not set',
      `The commands are ${Object.keys(commandSince).join(', ')}.`,
    );
  const missing = requiredVariables[command].filter((name) => !environment[name]);
  if (missing.length > 0) throw invalid(`${missing.join(', ')}: ${command} needs a value`);
  const hasContainer = command !== 'GC' && command !== 'STATUS' && command !== 'VERSION';
  const value = (name: string): string => (hasContainer ? (environment[name] ?? '') : '');
  const containerId = value('CNI_CONTAINERID');
  const ifName = value('CNI_IFNAME');
  if (hasContainer) {
    requireContainerId(containerId);
    requireInterfaceName(ifName);
  }
  return {
    command,
    containerId,
    netns: value('CNI_NETNS'),
    ifName,
    args: parseCniArgs(value('CNI_ARGS'), knownArgs),
    path: (environment['CNI_PATH'] ?? '').split(':').filter((directory) => directory !== ''),
  };
}

/** A letter or digit, then letters, digits, “_”, “.” and “-”. It is part of file names in caches: 255 bytes at most. */
export function isContainerId(text: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(text);
}

/** What Linux takes as the name of an interface: 15 bytes, no “/”, no “:”, no blanks (dev_valid_name in net/core/dev.c). */
export function isInterfaceName(text: string): boolean {
  const length = Buffer.byteLength(text);
  return length > 0 && length <= 15 && text !== '.' && text !== '..' && !/[/:\s\0]/.test(text);
}

/** @throws CniError (invalid environment) */
export function requireContainerId(text: string): void {
  if (!isContainerId(text))
    throw invalid(
      `CNI_CONTAINERID: ${quote(text)} is no container id`,
      'It begins with a letter or digit; letters, digits, “_”, “.” and “-” follow, 255 in all at most.',
    );
}

/** @throws CniError (invalid environment) */
export function requireInterfaceName(text: string): void {
  if (!isInterfaceName(text))
    throw invalid(
      `CNI_IFNAME: ${quote(text)} cannot be the name of an interface`,
      'It has 15 bytes at most, no “/”, no “:” and no blanks.',
    );
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 60));

function invalid(message: string, details?: string): CniError {
  return new CniError(message, { code: cniErrorCodes.invalidEnvironment, details });
}
