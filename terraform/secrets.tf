# The webhook that Dagster's alerts go to. Its value is put in by hand, so it is in no state:
#   aws secretsmanager put-secret-value --secret-id NAME --secret-string https://...

resource "aws_secretsmanager_secret" "alert_webhook" {
  #checkov:skip=CKV_AWS_149:Encrypted by Secrets Manager's own key; only this account's identities read it
  #checkov:skip=CKV2_AWS_57:A chat's webhook is renewed in the chat, by a person; nothing here can do it
  name                    = local.secret_name
  description             = "URL of the chat webhook that failures are sent to."
  recovery_window_in_days = 0 # the value is put in by hand, and a later deployment takes the name again
}
