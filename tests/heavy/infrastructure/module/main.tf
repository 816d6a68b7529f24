# What the tests deploy: things of this machine that take their time, or fail while they are told to.

terraform {
  required_providers {
    workshop = { source = "example.test/outlast/workshop" }
  }
}

variable "root" {
  type        = string
  description = "The folder that everything is in."
}

variable "things" {
  description = "How long each takes to make, and the file that lets it fail."
  type        = map(object({ seconds = number, fails_while = optional(string), content = optional(string) }))
  default     = {}
}

variable "many" {
  description = "How many things that cost nothing."
  type        = number
  default     = 0
}

variable "lingers" {
  description = "Whether a program is started that outlives who started it."
  type        = bool
  default     = false
}

variable "password" {
  type    = string
  default = ""
}

provider "workshop" {
  journal = "${var.root}/journal"
}

resource "workshop_slow" "thing" {
  for_each    = var.things
  path        = "${var.root}/${each.key}"
  seconds     = each.value.seconds
  fails_while = each.value.fails_while
  content     = each.value.content
}

resource "workshop_slow" "secret" {
  count  = var.password == "" ? 0 : 1
  path   = "${var.root}/secret"
  secret = var.password
}

resource "terraform_data" "many" {
  count = var.many
  input = count.index
}

resource "terraform_data" "lingering" {
  count = var.lingers ? 1 : 0
  provisioner "local-exec" {
    command = "echo $$ > ${var.root}/pid; setsid sleep 300 & sleep 300"
  }
}

output "things" {
  value = [for one in workshop_slow.thing : one.path]
}

output "told" {
  description = "Not said to be sensitive, and it is."
  value       = var.password == "" ? "nothing" : "it is ${var.password}"
}

output "password" {
  value     = var.password
  sensitive = true
}
