// The types of event-loop-pause.mjs, which servers in plain JavaScript import, too.

export function measurePauses(): () => Promise<number>;
