// Provides events: the bus, the event log and its sequencer.
import { Global, Module } from '@nestjs/common';
import { EventLog } from './event-log.js';
import { EventSequencer } from './event-sequencer.js';
import { EventSignals } from './event-signals.js';
import { Events } from './events.js';

@Global()
@Module({
  providers: [Events, EventLog, EventSequencer, EventSignals],
  exports: [Events, EventLog, EventSequencer, EventSignals],
})
export class EventsModule {}
