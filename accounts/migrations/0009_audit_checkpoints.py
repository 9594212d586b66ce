from __future__ import annotations

from django.db import migrations, models

PROTECT = """
CREATE FUNCTION accounts_audit_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log cannot be emptied' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER accounts_audit_refuse_truncate BEFORE TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_refuse_truncate();
CREATE TRIGGER accounts_audit_refuse_truncate BEFORE TRUNCATE ON accounts_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_refuse_truncate();

CREATE FUNCTION accounts_audit_keep_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        -- Only audit_chain.remove_chain says this, for a team that is gone.
        IF current_setting('deskhand.audit_removal', true) = OLD.team_id::text THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'the end of an audit chain cannot be deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.team_id = OLD.team_id AND (NEW.seq > OLD.seq OR (NEW.seq = OLD.seq AND NEW.hash = OLD.hash)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an audit chain only grows' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER accounts_audit_keep_head BEFORE UPDATE OR DELETE ON accounts_audithead
    FOR EACH ROW EXECUTE FUNCTION accounts_audit_keep_head();
"""
UNPROTECT = """
DROP TRIGGER accounts_audit_keep_head ON accounts_audithead;
DROP FUNCTION accounts_audit_keep_head();
DROP TRIGGER accounts_audit_refuse_truncate ON accounts_audithead;
DROP TRIGGER accounts_audit_refuse_truncate ON accounts_auditentry;
DROP FUNCTION accounts_audit_refuse_truncate();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_known_address")]
    operations = [
        migrations.AddField("audithead", "checkpoint_seq", models.BigIntegerField(default=0)),
        migrations.AddField("audithead", "checkpointed_at", models.DateTimeField(null=True)),
        migrations.RunSQL(PROTECT, UNPROTECT),
    ]
