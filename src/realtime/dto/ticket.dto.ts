// DTO of a one-time ticket.
import { ApiProperty } from '@nestjs/swagger';

export class TicketDto {
  @ApiProperty({ description: 'For `/ws/updates?ticket=`, once' })
  ticket!: string;

  @ApiProperty({ format: 'date-time', description: 'After this time the ticket opens no WebSocket' })
  expiresAt!: Date;
}
