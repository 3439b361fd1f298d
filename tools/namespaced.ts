/**
 * The command that runs another one as root of new user, mount, PID and network namespaces: an empty network that no
 * packet can leave, and everything gone when it ends, however it ends.
 */
export function namespaced(command: readonly string[]): string[] {
  return [
    'unshare',
    '--user',
    '--map-root-user',
    '--mount',
    '--net',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--',
    ...command,
  ];
}
