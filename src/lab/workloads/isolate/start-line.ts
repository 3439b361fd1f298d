/** What a program's start needs besides its own arguments. */
export interface StartLine {
  readonly command: readonly string[];
  /** Names for setpriv(1), upper case without `CAP_`. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** Undefined: stay user 0. */
  readonly user?: number | undefined;
  readonly group?: number | undefined;
  readonly supplementaryGroups?: readonly number[];
  /** Whether setgroups(2) may be called in this user namespace. */
  readonly canSetGroups: boolean;
  /** Make the terminal on standard input the controlling one. */
  readonly controllingTerminal: boolean;
  /** First process of a new PID namespace: file descriptor 3 is a table of mounts to make, fstab(5). */
  readonly mountTable: boolean;
}

/**
 * The arguments that start a program with the rights of a container:
 * `setsid --ctty` → `sh` (mounts /proc, which only a process of the new PID namespace can) → `setpriv` → program.
 * Each replaces the one before, so the program is the process that was started. Nothing is ever read as shell text.
 */
export function startLine(options: StartLine): string[] {
  const words = options.controllingTerminal ? ['setsid', '--ctty'] : [];
  if (options.mountTable)
    words.push('sh', '-c', 'mount -n -a -T /proc/self/fd/3 && exec 3<&- && exec "$@"', 'sh');
  return [...words, 'setpriv', ...privileges(options), '--', ...options.command];
}

function privileges(options: StartLine): string[] {
  const { user, group, canSetGroups, supplementaryGroups = [] } = options;
  const bounding = ['-all', ...options.capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
  const words = ['--bounding-set', bounding, '--inh-caps', '-all', '--ambient-caps', '-all'];
  if (options.noNewPrivileges) words.push('--no-new-privs');
  if (user !== undefined) words.push('--reuid', String(user));
  if (group !== undefined || user !== undefined) words.push('--regid', String(group ?? 0));
  if (!canSetGroups) words.push('--keep-groups');
  else if (supplementaryGroups.length > 0) words.push('--groups', supplementaryGroups.join(','));
  else words.push('--clear-groups');
  return words;
}
